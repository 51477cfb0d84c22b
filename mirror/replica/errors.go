package replica

import "errors"

var (
	// ErrOtherMirror says that a folder, or what is already known, is of another mirror than
	// the one that the object store has.
	ErrOtherMirror = errors.New("another mirror")
	// ErrNotFetched is a file that the mirror has the name of, but not the content, as it
	// could not be fetched from the origin.
	ErrNotFetched = errors.New("not fetched from the origin")
	// ErrClosed is returned by a replica that is closing or closed.
	ErrClosed = errors.New("replica closed")
)
