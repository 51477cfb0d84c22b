package store

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/motefs/motefs/mirror/objects"
)

// openPatience is how long Open waits for a store that may be reached later.
const openPatience = 3 * time.Second

var (
	_ objects.Store  = (*later)(nil)
	_ objects.Waiter = (*later)(nil)
)

// later is a store that could not be opened yet: it is tried again with whatever is asked for, once
// however many ask. That may hang with a folder's filesystem, and takes a thread of the process then.
type later struct {
	open    func(context.Context) (objects.Store, error)
	flights singleflight.Group
	waits   func(write bool, since time.Time, why error) // see objects.Waiter; nil: nobody hears it
	mu      struct {
		sync.Mutex
		store  objects.Store // nil until it could be
		closed bool
	}
}

// store returns the store once it can be opened.
func (l *later) store() (objects.Store, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.closed {
		return nil, objects.ErrClosed
	}
	return l.mu.store, nil
}

func (l *later) reach(ctx context.Context) (objects.Store, error) {
	if s, err := l.store(); s != nil || err != nil {
		return s, err
	}
	done := l.flights.DoChan("", func() (any, error) { return nil, l.try() })
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("open the object store: %w: %w", context.Cause(ctx), objects.ErrAway)
	case result := <-done:
		if result.Err != nil {
			return nil, result.Err
		}
	}
	return l.store()
}

// try opens the store. It takes as long as it takes: no other try would be faster.
func (l *later) try() error {
	if s, err := l.store(); s != nil || err != nil {
		return err // another was faster
	}
	opened, err := l.open(context.Background())
	if err != nil {
		return err
	}
	if w, ok := opened.(objects.Waiter); ok && l.waits != nil {
		w.Waits(l.waits)
	}
	l.mu.Lock()
	closed := l.mu.closed
	if !closed {
		l.mu.store = opened
	}
	l.mu.Unlock()
	if closed {
		return opened.Close()
	}
	return nil
}

// Waits implements objects.Waiter.
func (l *later) Waits(tell func(write bool, since time.Time, why error)) { l.waits = tell }

// Put implements objects.Store.
func (l *later) Put(ctx context.Context, name string, body objects.Body) error {
	s, err := l.reach(ctx)
	if err != nil {
		return err
	}
	return s.Put(ctx, name, body)
}

// Create implements objects.Store.
func (l *later) Create(ctx context.Context, name string, body objects.Body) error {
	s, err := l.reach(ctx)
	if err != nil {
		return err
	}
	return s.Create(ctx, name, body)
}

// Get implements objects.Store.
func (l *later) Get(ctx context.Context, name string, off, n int64) (io.ReadCloser, int64, error) {
	s, err := l.reach(ctx)
	if err != nil {
		return nil, 0, err
	}
	return s.Get(ctx, name, off, n)
}

// List implements objects.Store.
func (l *later) List(ctx context.Context, prefix, after string, fn func(objects.Info) bool) error {
	s, err := l.reach(ctx)
	if err != nil {
		return err
	}
	return s.List(ctx, prefix, after, fn)
}

// Delete implements objects.Store.
func (l *later) Delete(ctx context.Context, name string) error {
	s, err := l.reach(ctx)
	if err != nil {
		return err
	}
	return s.Delete(ctx, name)
}

// Close implements objects.Store.
func (l *later) Close() error {
	l.mu.Lock()
	s, closed := l.mu.store, l.mu.closed
	l.mu.closed = true
	l.mu.Unlock()
	if closed || s == nil {
		return nil
	}
	return s.Close()
}
