// Package objects keeps immutable objects by their names in what many machines reach: an
// S3 bucket, or a folder of a shared filesystem. It knows nothing of what is in them.
//
// # Words
//
// An object is written whole, or not at all, and never changed. A claim is an object that
// several may want to write under one name: the first wins, and all others find out who.
package objects

import (
	"context"
	"errors"
	"io"
	"time"
)

var (
	// ErrExists says that an object of that name is there already.
	ErrExists = errors.New("object exists")
	// ErrNotFound says that there is no object of that name.
	ErrNotFound = errors.New("no such object")
)

// Info is what a listing says of an object.
type Info struct {
	Name string
	Size int64 // in bytes
	// ModTime is when it was written, by the clock of the store.
	ModTime time.Time
}

// Body is what is written: it may be read more than once, where a try failed.
type Body struct {
	io.ReaderAt
	Size int64 // in bytes
}

// Store keeps objects. Names are relative, of [a-z0-9./-], with slashes in them and none at
// the ends. Its methods may be called from any goroutine. An error for which
// mirror.Temporary holds may pass.
type Store interface {
	// Put writes an object under a name that nobody else writes. It is visible whole or not
	// at all, and lasts once Put has returned nil.
	Put(ctx context.Context, name string, body Body) error
	// Create is Put, but that its error is ErrExists where there is an object of that name:
	// of all who create one name, one gets nil. After an answer that was lost, ErrExists may
	// be one's own; see Claim.
	Create(ctx context.Context, name string, body Body) error
	// Get reads n bytes from off on, to the end where n is negative. The whole object's
	// length is returned too. The caller closes the reader, whose Read fails where bytes
	// are missing at the end. The error is ErrNotFound, or the store's.
	Get(ctx context.Context, name string, off, n int64) (r io.ReadCloser, size int64, err error)
	// List calls fn for the objects whose names begin with prefix and come after after, in
	// the order of their names, until it returns false.
	List(ctx context.Context, prefix, after string, fn func(Info) bool) error
	// Delete removes an object; one that is not there is no error.
	Delete(ctx context.Context, name string) error
	// Close ends what is under way.
	Close() error
}
