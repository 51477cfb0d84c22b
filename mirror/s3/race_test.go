//go:build race

package s3

// With the race detector a sync.Pool forgets things.
const raceEnabled = true
