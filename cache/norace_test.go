//go:build !race

package cache

// sweepStep: each operation fails.
const sweepStep = 1

// share: long tests try all of their seeds.
const share = 1
