//go:build race

package cache

// sweepStep: each fifth fails, from a random one on, as that takes five times as long with
// the race detector.
const sweepStep = 5
