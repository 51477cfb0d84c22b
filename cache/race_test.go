//go:build race

package cache

// sweepStep: each twentieth fails, from a random one on, as that takes five times as long with
// the race detector.
const sweepStep = 20

// share is the part of their seeds that long tests try: Pebble then notes the stack for each
// table that is opened, which takes four tenths of their time. make test has all of them
// without the race detector.
const share = 6
