package objects

import (
	"errors"

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

type passing string

func (p passing) Error() string { return string(p) }

// Unwrap has it be temporary.
func (passing) Unwrap() error { return mirror.ErrUnreachable }
