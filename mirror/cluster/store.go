package cluster

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/motefs/motefs/mirror/objects"
)

// away is a store that says since when it has given no answer.
type away interface {
	Away() (since time.Time, why error)
}

// ofStore is the object store, of whose errors it is certain that they are its own: a folder's disk may be
// full, or may not be written, which says nothing of this machine's.
type ofStore struct{ objects.Store }

func (s ofStore) Put(ctx context.Context, name string, body objects.Body) error {
	return asStoreError(s.Store.Put(ctx, name, body))
}

func (s ofStore) Create(ctx context.Context, name string, body objects.Body) error {
	return asStoreError(s.Store.Create(ctx, name, body))
}

func (s ofStore) Delete(ctx context.Context, name string) error {
	return asStoreError(s.Store.Delete(ctx, name))
}

func asStoreError(err error) error {
	if err == nil {
		return nil
	}
	return storeError{err}
}

// storeError is an error of the object store. It is what that is, but for the numbers of a system, for which
// it has no Unwrap.
type storeError struct{ err error }

func (e storeError) Error() string { return e.err.Error() }

func (e storeError) Is(target error) bool {
	_, number := target.(syscall.Errno)
	return !number && errors.Is(e.err, target)
}

func (e storeError) As(target any) bool { return errors.As(e.err, target) }
