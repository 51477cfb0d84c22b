package fs

import (
	"errors"
	"fmt"
)

var (
	// ErrMountpoint is a directory that cannot be mounted on; the text says
	// why.
	ErrMountpoint = errors.New("not usable as a mountpoint")

	// ErrNoFUSE says that this machine lacks what a mount needs; the text says
	// what to install.
	ErrNoFUSE = errors.New("FUSE is not available")

	// ErrBusy says that programs still use the mount. A Mount is out of the
	// directory tree all the same.
	ErrBusy = errors.New("the mount is in use")

	// ErrAborted is returned by Wait where the kernel's side of the mount was
	// aborted rather than unmounted.
	ErrAborted = errors.New("FUSE connection aborted")
)

// said is an error of a kind, with a text that says all of it.
type said struct {
	text string
	kind error
}

func (e *said) Error() string { return e.text }
func (e *said) Unwrap() error { return e.kind }

// saying is an error of a kind whose own text would add nothing.
func saying(kind error, format string, args ...any) error {
	return &said{fmt.Sprintf(format, args...), kind}
}

var (
	// errInterrupted is the cause of a wait that the kernel ended (INTERRUPT):
	// a signal came for the program that waits.
	errInterrupted = errors.New("interrupted by a signal")

	// errUnmounting is the cause of a wait that an unmount ended.
	errUnmounting = errors.New("unmounting")

	// errStale is an inode that the kernel knows and the store no longer
	// serves.
	errStale = errors.New("inode no longer served")

	// errNameTooLong is a name over maxName bytes.
	errNameTooLong = errors.New("name too long")

	// errNotHere is a Contents that breaks its contract.
	errNotHere = errors.New("fetched, and its content is not here")
)
