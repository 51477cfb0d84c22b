package serve

import "errors"

var (
	// ErrNotFound is what a Source returns from Get for a name that it has
	// not got; it is answered 404.
	ErrNotFound = errors.New("no such file")

	// ErrMarker is what a Source returns from Page for a marker that it never
	// gave out; it is answered 400.
	ErrMarker = errors.New("bad marker")

	// ErrUnordered is what a source returns from Keys if it is not in the order
	// of the bytes of its names.
	ErrUnordered = errors.New("the source is not in the order of its names")

	// errDetached is what a connection's Read returns while fasthttp hands
	// the connection back to us.
	errDetached = errors.New("connection detached")
)
