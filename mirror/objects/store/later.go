package store

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/motefs/motefs/mirror/objects"
)

// openPatience is how long Open waits for a store that may be reached later.
const openPatience = 3 * time.Second

var _ objects.Store = (*later)(nil)

// later is a store that could not be opened yet: it is tried again with whatever is asked for.
type later struct {
	open func(context.Context) (objects.Store, error)
	mu   struct {
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
	opened, err := l.open(ctx)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	if l.mu.store == nil && !l.mu.closed {
		l.mu.store = opened
		opened = nil
	}
	l.mu.Unlock()
	if opened != nil { // another was faster
		if err := opened.Close(); err != nil {
			return nil, err
		}
	}
	return l.store()
}

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
