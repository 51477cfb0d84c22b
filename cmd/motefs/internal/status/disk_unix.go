//go:build unix

package status

import (
	iofs "io/fs"
	"syscall"
)

// onDisk is what a file takes of the disk, in bytes.
func onDisk(info iofs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Blocks) * 512
	}
	return 0
}
