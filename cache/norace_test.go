//go:build !race

package cache

// sweepStep: each operation fails.
const sweepStep = 1
