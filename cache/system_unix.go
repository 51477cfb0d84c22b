//go:build unix

package cache

import (
	"math"
	"os"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"
)

// takesNothing are the errors of a disk that takes nothing now, and may be read all
// the same.
var takesNothing = []error{unix.ENOSPC, unix.EDQUOT, unix.EROFS}

// DescriptorLimit is how many files this process may have open, math.MaxInt where that
// is not known. Go has raised it to the most that the process may ask for.
func DescriptorLimit() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxInt
	}
	return int(min(uint64(limit.Cur), math.MaxInt)) //nolint:unconvert // FreeBSD's has a sign
}

// makePrivate makes a file its owner's alone.
func makePrivate(f vfs.File) error { return unix.Fchmod(int(f.Fd()), privateFile) }

// ownerOf is whose a file is, and who this process is.
func ownerOf(info os.FileInfo) (uid, me int, known bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(st.Uid), os.Geteuid(), true
}

// freeOnDisk is what a user may still take of a disk. inodes is 0 where the disk does
// not count them.
func freeOnDisk(dir string) (bytes, inodes uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	if st.Files > 0 {
		inodes = uint64(max(st.Ffree, 1)) //nolint:unconvert // FreeBSD's has a sign
	}
	// FreeBSD's is negative where root alone may take what is left.
	available := uint64(max(st.Bavail, 0)) //nolint:unconvert // it has a sign there
	return available * uint64(st.Bsize), inodes, nil
}
