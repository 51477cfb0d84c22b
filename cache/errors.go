package cache

import (
	"errors"
	"fmt"
	"syscall"
)

var (
	// ErrNotFound says that the store has no such entry.
	ErrNotFound = errors.New("not in the store")

	// ErrInUse says that another process holds the store.
	ErrInUse = errors.New("store in use")

	// ErrOrigin says that the store holds another origin's files.
	ErrOrigin = errors.New("store belongs to another origin")

	// ErrFormat says that the store was written in a format that this program
	// does not read, or that the directory is no store.
	ErrFormat = errors.New("not a store that this program reads")

	// ErrNewer says that the store was made by a later motefs. It is an ErrFormat
	// too.
	ErrNewer = fmt.Errorf("%w: made by a later motefs", ErrFormat)

	// ErrCorrupt says that what the store holds contradicts itself or fails a
	// checksum.
	ErrCorrupt = errors.New("store damaged")

	// ErrTable says that a table that was brought from another store, or what comes with
	// it, is damaged or not what it should be. Nothing of it was taken.
	ErrTable = errors.New("table of a segment is damaged")

	// ErrReadOnly says that the store was opened to be read alone.
	ErrReadOnly = errors.New("store is only read")

	// ErrTransient is a failure of the machine that may pass: it is out of file
	// descriptors or memory, or was interrupted. Nothing is wrong with the store, and
	// the same call may succeed later.
	ErrTransient = errors.New("cannot be done now")

	// ErrNotReady is the error of who stands in front of a store and reads a directory of which
	// names are lacking before all that are there: to be tried again once those have come.
	ErrNotReady = errors.New("names of a directory are not here yet")

	// ErrClosed is returned by a store after Close.
	ErrClosed = errors.New("store closed")

	// ErrName is an origin's name, or a path of the mount, that has no
	// counterpart on the other side.
	ErrName = errors.New("name cannot be mapped")
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

// transient reports whether an operation of the disk failed for want of something that
// may be there later.
func transient(err error) bool {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EINTR, syscall.EAGAIN} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// DiskError is a failure of the disk below the store: nothing is wrong with the
// file that was being written, and nothing more can be written.
type DiskError struct{ Err error }

func (e *DiskError) Error() string { return "store's disk: " + e.Err.Error() }

// Unwrap returns the disk's own error.
func (e *DiskError) Unwrap() error { return e.Err }
