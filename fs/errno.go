//go:build linux

package fs

import (
	"context"
	"errors"
	"os"
	"syscall"

	"github.com/motefs/motefs/cache"
)

// errnos is the one table from errors to errno; the first match counts, so what
// ended a wait goes before what it waited for.
//
// Nothing else becomes ENOENT: a program that is told so deletes, or stops
// looking for, what is merely out of reach. ENOSYS is not in it and no errno
// that an error carries is passed through, because Linux remembers ENOSYS for
// the whole mount.
var errnos = []struct {
	err   error
	errno syscall.Errno
}{
	{errInterrupted, syscall.EINTR},
	{errUnmounting, syscall.ENOTCONN},
	{context.DeadlineExceeded, syscall.ETIMEDOUT},
	{os.ErrDeadlineExceeded, syscall.ETIMEDOUT},
	{cache.ErrCorrupt, syscall.EIO},
	{errStale, syscall.ESTALE},
	{cache.ErrNotFound, syscall.ENOENT},
	{errNameTooLong, syscall.ENAMETOOLONG},
}

// errnoValues are all that errnoOf returns but 0, EIO last.
var errnoValues = [...]syscall.Errno{
	syscall.EINTR, syscall.ENOTCONN, syscall.ETIMEDOUT, syscall.ESTALE, syscall.ENOENT, syscall.ENAMETOOLONG, syscall.EIO,
}

// errnoIndex is where an errno stands in errnoValues.
func errnoIndex(errno syscall.Errno) int {
	for i, e := range errnoValues {
		if e == errno {
			return i
		}
	}
	return len(errnoValues) - 1 // errnoOf returns no other
}

// errnoOf is the errno that a program sees for err: 0 for none, EIO for any
// error that is not in the table.
func errnoOf(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	for _, row := range errnos {
		if errors.Is(err, row.err) {
			return row.errno
		}
	}
	return syscall.EIO
}
