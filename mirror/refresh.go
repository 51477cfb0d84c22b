package mirror

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/motefs/motefs/cache"
)

// RefreshOptions say what a Refresh looks at.
type RefreshOptions struct {
	// Contents has every file be asked for, and compared with what is here. Without, a
	// file that is here is asked for only where the listing says that it has changed.
	Contents bool
	// Sample, where it is not 0, has only that many files be asked for, which are drawn
	// at random, and the listing not be walked. It is a dry run.
	Sample int
	// DryRun has changes be counted and nothing be written.
	DryRun bool
	// MaxDelete is how many files may be removed, as they are not listed any more and not
	// there. Where there are more, none is. Default 10 %, and as many as 100, but none where
	// nothing is listed.
	MaxDelete GoneLimit
}

// ErrManyUnlisted is an origin that lacks more of what is here than may be removed.
var ErrManyUnlisted = errors.New("too many files are not listed any more")

// Refresh brings a store whose listing is complete to what its origin is now. It lists
// the origin again; new names are fetched, with Options.Prefetch. What is not listed any
// more is removed once the whole listing was walked, each file only after a GET that says
// 404 or 410. A file whose content has changed gets a new inode number. What cannot be
// told for certain stays as it is, and is counted (Kept).
//
// It returns what was found. Where it is cut off, the next one goes on; its counts are
// those of all. The errors are those of Run, and ErrManyUnlisted.
func (e *Engine) Refresh(ctx context.Context, o RefreshOptions) (cache.Refreshed, error) {
	if o.MaxDelete == (GoneLimit{}) {
		o.MaxDelete = GoneLimit{Percent: 10, Files: 100}
	}
	o.DryRun = o.DryRun || o.Sample > 0
	if !e.begin() {
		return cache.Refreshed{}, ErrClosed
	}
	defer e.wg.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(e.ctx, func() { cancel(ErrClosed) })()

	refresh, err := e.store.Refresh(ctx, cache.RefreshOptions{Contents: o.Contents, DryRun: o.DryRun})
	if err != nil {
		return cache.Refreshed{}, err
	}
	e.refreshing.Store(refresh)
	r := newRun(e, e.opts.Connections)
	r.refresh, r.o, r.track = refresh, o, newTracker(refresh, e.opts.Prefetch)
	err = e.finish(ctx, r)
	switch {
	case err == nil && !o.DryRun:
		err = errors.Join(refresh.Finish(), e.store.Flush(context.WithoutCancel(ctx)))
	case errors.Is(err, ErrManyUnlisted) && !o.DryRun:
		err = errors.Join(err, refresh.Drop()) // the next one lists again
	case err != nil && !o.DryRun:
		err = errors.Join(err, refresh.Save())
	}
	return refresh.Counts(), err
}

// Refreshed is what the Refresh under way, or the last one, has found so far.
func (e *Engine) Refreshed() cache.Refreshed {
	if r := e.refreshing.Load(); r != nil {
		return r.Counts()
	}
	return cache.Refreshed{}
}

// follow brings the store to what the origin is.
func (r *run) follow(ctx context.Context) error {
	if r.o.Sample > 0 {
		return r.sample(ctx)
	}
	if marker, walking := r.refresh.Walking(); walking {
		if err := r.planListing(ctx, marker); err != nil {
			return err
		}
		if err := r.idle(ctx); err != nil {
			return err
		}
		if _, walking := r.refresh.Walking(); walking {
			return r.e.store.Damaged() // what could not be read was left out
		}
	}
	if err := errors.Join(r.removeUnlisted(ctx), r.e.store.Damaged()); err != nil {
		return err // what could not be read was left out
	}
	if !r.o.Contents {
		return nil
	}
	if err := r.refresh.BeginContents(); err != nil {
		return err
	}
	return r.askAll(ctx, r.refresh.Unreviewed)
}

// idle waits until no batch is under way.
func (r *run) idle(ctx context.Context) error {
	if err := r.underWay.Acquire(ctx, math.MaxInt64); err != nil {
		return context.Cause(ctx)
	}
	r.underWay.Release(math.MaxInt64)
	return nil
}

// removeUnlisted asks for what was not listed, and removes what is not there, if it is not
// too much.
func (r *run) removeUnlisted(ctx context.Context) error {
	if r.refresh.Reviewing() {
		return nil
	}
	n, err := r.refresh.CountUnseen(ctx)
	if err != nil {
		return err
	}
	files := r.started.Files - r.started.Gone
	if r.refresh.Counts().Listed == 0 && n > 0 {
		if !r.o.MaxDelete.Given {
			return fmt.Errorf("%w: the origin lists nothing at all, and %d files are here; none was removed (--max-delete)", ErrManyUnlisted, n)
		}
		r.emptied = true
	}
	if limit := r.o.MaxDelete.of(files); n > uint64(limit) {
		unlisted := n
		if n, err = r.countMissing(ctx, limit); err != nil {
			return err
		}
		if n > uint64(limit) {
			return fmt.Errorf("%w: %d of %d are not listed, and more than %d of them not there (--max-delete); none was removed", ErrManyUnlisted, unlisted, files, limit)
		}
		r.e.opts.Log.Warn().Uint64("files", unlisted-n).Msg("these files are not listed any more, and the origin has them all the same; they are kept, and asked for again by each refresh")
	}
	if r.o.DryRun {
		r.refresh.CountRemoved(n)
		return nil
	}
	if n == 0 {
		return nil
	}
	if err := r.acquaint(ctx); err != nil {
		return err
	}
	return r.askAll(ctx, r.refresh.Unseen)
}

// countMissing asks for what was not listed and removes nothing, until more than limit are
// not there. What is there counts as seen. It returns how many are left.
func (r *run) countMissing(ctx context.Context, limit int64) (uint64, error) {
	if err := r.acquaint(ctx); err != nil {
		return 0, err
	}
	missing := &atomic.Int64{}
	r.counting = missing
	err := r.askOnce(ctx, func(from cache.Inode, most int) (*cache.Page, cache.Inode, error) {
		if missing.Load() > limit {
			return nil, r.refresh.Limit(), nil
		}
		return r.refresh.Unseen(from, most)
	})
	if err != nil {
		return 0, err
	}
	r.counting = nil
	return r.refresh.CountUnseen(ctx)
}

// acquainted is how many files the origin is asked for in acquaint.
const acquainted = 8

// acquaint gets a few files that are here. What follows is mostly 404, all alike, of which a
// client learns nothing by which it could tell answers on one connection apart.
func (r *run) acquaint(ctx context.Context) error {
	names, err := r.e.sample(acquainted, true)
	if err != nil || len(names) == 0 {
		return r.around(err)
	}
	return r.e.opts.Fetcher.Fetch(ctx, names, Receiver{Receive: func(int, *Object, error) {}})
}

// askAll asks for all files that next hands out, and again for those of which that did
// not tell what the origin has.
func (r *run) askAll(ctx context.Context, next func(from cache.Inode, most int) (*cache.Page, cache.Inode, error)) error {
	pause := r.e.opts.Backoff * passPause
	for pass := 1; ; pass++ {
		before := r.refresh.Counts().Kept
		if err := r.askOnce(ctx, next); err != nil {
			return err
		}
		kept := r.refresh.Counts().Kept - before
		if kept == 0 || pass == passes {
			return nil
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(pause*passGrowth, r.e.opts.Backoff*maxPassPause)
		r.refresh.AskAgain(kept)
	}
}

// saveEvery is how often it is written which files were asked for.
const saveEvery = 2 * time.Second

func (r *run) askOnce(ctx context.Context, next func(from cache.Inode, most int) (*cache.Page, cache.Inode, error)) error {
	saved := time.Now()
	for from := cache.Inode(0); from < r.refresh.Limit(); {
		page, end, err := next(from, r.share.get())
		if err == nil && page != nil {
			err = r.enqueue(ctx, &batch{page: page})
		}
		if err == nil && time.Since(saved) >= saveEvery {
			err = r.refresh.Save()
			saved = time.Now()
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		from = end
	}
	return r.idle(ctx)
}

// sample asks for files drawn at random.
func (r *run) sample(ctx context.Context) error {
	for left := r.o.Sample; left > 0; {
		page, err := r.refresh.Draw(min(left, r.share.get()))
		if err != nil {
			return err
		}
		if page == nil {
			return nil
		}
		left -= page.Len()
		if err := r.enqueue(ctx, &batch{page: page}); err != nil {
			return err
		}
	}
	return r.idle(ctx)
}
