//go:build race

package mirror_test

const raceEnabled = true

// share is the part of their seeds that long tests try: they take several times as long with
// the race detector, and make test has all of them without it.
const share = 4
