package objects

import (
	"context"
	"io"
	"time"
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

// Waiter is a store that can say that a call takes long before it ends. Waits is called once, before
// all other methods; tell hears whether the call writes, since when it waits, and why.
type Waiter interface {
	Waits(tell func(write bool, since time.Time, why error))
}

// Store keeps objects. CheckName says what is a name; none is a folder of another one's. Its
// methods may be called from any goroutine. An error for which mirror.Temporary holds may
// pass.
type Store interface {
	// Put writes an object under a name that nobody else writes. It is visible whole or not
	// at all, and lasts once Put has returned nil. After an error it may be there, now or
	// soon.
	Put(ctx context.Context, name string, body Body) error
	// Create is Put, but that its error is ErrExists where there is an object of that name:
	// of all who create one name, one gets nil. After an answer that was lost, ErrExists may
	// be one's own; see Claim.
	Create(ctx context.Context, name string, body Body) error
	// Get reads n bytes from off on, to the end where n is negative. The whole object's
	// length is returned too. The caller closes the reader, whose Read fails where bytes
	// are missing at the end. The error is ErrNotFound, ErrRange, or the store's.
	Get(ctx context.Context, name string, off, n int64) (r io.ReadCloser, size int64, err error)
	// List calls fn for the objects whose names begin with prefix and come after after, in
	// the order of their names' bytes, until it returns false. Objects that are written or
	// deleted meanwhile may be among them or not.
	List(ctx context.Context, prefix, after string, fn func(Info) bool) error
	// Delete removes an object; one that is not there is no error.
	Delete(ctx context.Context, name string) error
	// Close ends what is under way.
	Close() error
}
