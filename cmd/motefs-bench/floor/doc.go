// Package floor is the least that a filesystem on go-fuse's raw API can do: no
// store, no lookup in any table, constant contents. A name is its number, and
// every answer is computed from that. It is mounted with the options and the
// answers of package fs, so that what a mount of motefs takes beyond it is the
// store's and motefs's own, and what both take is the kernel's and go-fuse's.
//
// The process that serves it must not touch it (golang/go#21014).
package floor
