package mirror

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/motefs/motefs/cache"
)

// Fetch returns the entry called name in the directory parent, fetched now if
// its content is not in the store. However many ask for one file, the origin is
// asked once; a caller whose ctx ends stops waiting, and the fetch goes on for
// the others. It has connections of its own, never behind those of a Run.
//
// The errors are cache.ErrNotFound where the origin does not have the file,
// ctx's, ErrClosed, or what the origin or the store answered.
func (e *Engine) Fetch(ctx context.Context, parent cache.Inode, name string) (cache.Entry, error) {
	key := strconv.FormatUint(uint64(parent), 36) + "/" + name
	ch := e.demand.DoChan(key, func() (any, error) {
		if !e.begin() {
			return cache.Entry{}, ErrClosed
		}
		defer e.wg.Done()
		return e.fetchOne(parent, name)
	})
	select {
	case <-ctx.Done():
		return cache.Entry{}, ctx.Err()
	case res := <-ch:
		entry, _ := res.Val.(cache.Entry)
		return entry, res.Err
	}
}

func (e *Engine) fetchOne(parent cache.Inode, name string) (_ cache.Entry, err error) {
	ctx, cancel := context.WithTimeout(e.ctx, demandDeadline)
	defer cancel()
	if err := e.places.Acquire(ctx, 1); err != nil {
		return cache.Entry{}, context.Cause(ctx)
	}
	defer e.places.Release(1)
	page, err := e.store.Ask(parent, name)
	if err != nil {
		return cache.Entry{}, err
	}
	defer func() { err = errors.Join(err, page.Close()) }()
	if page.Open(0) {
		if err := e.fetchAsked(ctx, page); err != nil {
			return cache.Entry{}, err
		}
	}
	entry, err := e.store.Lookup(parent, name)
	if err == nil && entry.State == cache.Gone {
		if e.opts.Events.Gone != nil {
			e.opts.Events.Gone(parent, name)
		}
		return cache.Entry{}, fmt.Errorf("%w: gone at the origin", cache.ErrNotFound)
	}
	return entry, err
}

// fetchAsked fetches the one file of a page from Ask and commits it, unless it
// is a name that neither the listing nor the origin knows.
func (e *Engine) fetchAsked(ctx context.Context, page *cache.Page) error {
	d := demanded{fetcher: fetcher{e: e, ctx: ctx, page: page}}
	var stop context.CancelCauseFunc
	d.ctx, stop = context.WithCancelCause(ctx)
	defer stop(nil)
	d.stop = stop
	tries := 0
	err := e.retry(d.ctx, demandDeadline, func() (bool, error) {
		err := d.attempt()
		if tries++; tries >= demandTries && err != nil && Temporary(err) {
			err = finalError{err}
		}
		return false, err
	})
	switch {
	case errors.Is(err, ErrGone) && !page.Listed():
		return fmt.Errorf("%w: not at the origin: %w", cache.ErrNotFound, err)
	case errors.Is(err, ErrGone):
		if err := page.Gone(0); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	return page.Commit()
}

// demandTries is how often a reader's file is asked for before its reader gets
// an error; opening it again tries again.
const demandTries = 3

// finalError hides from retry that an error is temporary.
type finalError struct{ error }

// demanded fetches one file and says what came of it instead of recording it.
type demanded struct{ fetcher }

func (d *demanded) attempt() (err error) {
	fetchErr := d.e.opts.Fetcher.Fetch(d.ctx, []string{d.page.Name(0)}, func(_ int, obj *Object, got error) {
		if err = got; err == nil {
			err = d.put(0, obj)
		}
	})
	if fetchErr != nil {
		return fetchErr
	}
	return err
}
