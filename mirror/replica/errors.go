package replica

import (
	"errors"
	"fmt"
)

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

// otherMirrorError is ErrOtherMirror of a folder, which cache.Open says in words of its own.
type otherMirrorError struct {
	dir, id string // the folder, and the mirror that is there now
	opening error
}

func (e *otherMirrorError) Error() string {
	return fmt.Sprintf("%v: %s has taken the place of the one that the folder %s is of; remove that folder, or give another", ErrOtherMirror, e.id, e.dir)
}
func (e *otherMirrorError) Unwrap() []error { return []error{ErrOtherMirror, e.opening} }
