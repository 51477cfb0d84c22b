package objects

import (
	"errors"
	"fmt"

	"github.com/motefs/motefs/mirror"
)

var (
	// ErrExists says that an object of that name is there already.
	ErrExists = errors.New("object exists")
	// ErrNotFound says that there is no object of that name.
	ErrNotFound = errors.New("no such object")
	// ErrRange says that the part that was asked for goes beyond the object's end.
	ErrRange = errors.New("part beyond the end of the object")
	// ErrName is a name that no object has.
	ErrName = errors.New("not the name of an object")
	// ErrClosed is returned by a store that is closed.
	ErrClosed = errors.New("object store closed")
	// ErrAway says that the store gave no answer, or one that broke off: whether it did
	// what it was asked for is not known. It may pass: mirror.Temporary holds.
	ErrAway error = passing("object store away")
	// ErrBusy says that the store refused what would have been in the way of another request,
	// and is to be asked again: mirror.Temporary holds.
	ErrBusy error = passing("object store busy")
	// ErrUnfit says that a store cannot do what this package promises of it; see Probe.
	ErrUnfit = errors.New("unfit as an object store")
)

// OpError is what went wrong with a store.
type OpError struct {
	Op   string // as "put"
	Name string // of the object, or what those begin with that were listed; may be empty
	Dir  string // the folder that has it, empty of a bucket
	Err  error
}

func (e *OpError) Error() string {
	text := e.Op
	if e.Name != "" {
		text += fmt.Sprintf(" %q", e.Name)
	}
	if e.Dir != "" {
		text += " in " + e.Dir
	}
	return text + ": " + e.Err.Error()
}

// Unwrap returns Err.
func (e *OpError) Unwrap() error { return e.Err }

type passing string

func (p passing) Error() string { return string(p) }

// Unwrap has it be temporary.
func (passing) Unwrap() error { return mirror.ErrUnreachable }
