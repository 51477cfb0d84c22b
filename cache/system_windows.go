package cache

import (
	"math"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/windows"
)

// takesNothing are the errors of a disk that takes nothing now, and may be read all
// the same.
var takesNothing = []error{windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL, windows.ERROR_WRITE_PROTECT}

// DescriptorLimit is math.MaxInt: there is none that a process could ask for.
func DescriptorLimit() int { return math.MaxInt }

// makePrivate does nothing: a file has the rights of its directory, which in a user's
// profile are that user's alone.
func makePrivate(vfs.File) error { return nil }

// ownerOf does not know whose a file is.
func ownerOf(os.FileInfo) (uid, me int, known bool) { return 0, 0, false }

// freeOnDisk is what a user may still take of a disk, which does not count its files.
func freeOnDisk(dir string) (bytes, inodes uint64, err error) {
	path, err := windows.UTF16PtrFromString(dir)
	if err == nil {
		err = windows.GetDiskFreeSpaceEx(path, &bytes, nil, nil)
	}
	if err != nil {
		return 0, 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return bytes, 0, nil
}
