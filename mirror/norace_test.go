//go:build !race

package mirror_test

const raceEnabled = false

// share: long tests try all of their seeds.
const share = 1
