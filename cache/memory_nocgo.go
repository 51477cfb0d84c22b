//go:build !cgo

package cache

// manualMemory says that Pebble has its blocks and memtables in memory from C.
const manualMemory = false
