//go:build !unix

package status

import iofs "io/fs"

// onDisk is the length of a file, in bytes.
func onDisk(info iofs.FileInfo) uint64 { return uint64(info.Size()) }
