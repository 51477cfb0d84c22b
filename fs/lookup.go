//go:build linux

package fs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/motefs/motefs/cache"
)

// Lookup answers which inode a name is: from the store if that knows, else by
// having the file fetched. The store knows a file that is not here where the listing says
// length and time. The kernel sends one LOOKUP however many programs
// wait for the same name.
func (f *fsys) Lookup(cancel <-chan struct{}, in *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	defer f.end(opLookup, f.begin(opLookup))
	parent := cache.Inode(in.NodeId)
	if len(name) > maxName {
		return f.fail(opLookup, parent, name, errNameTooLong)
	}
	// Asked before the store: if the listing ends between the two, a name
	// that was not there a moment ago may be there now.
	complete, certain := f.store.ListingComplete(), f.certain()
	e, err := f.store.Lookup(parent, name)
	switch {
	case err == nil && known(&e):
		f.answer(&e, out, certain)
		return fuse.OK
	case err == nil && e.State == cache.Gone:
		return f.absent(complete, out)
	case err == nil:
		return f.demand(cancel, parent, name, miss{listed: true, complete: complete}, out)
	case !errors.Is(err, cache.ErrNotFound):
		return f.fail(opLookup, parent, name, err)
	case complete:
		return f.absent(complete, out)
	default:
		return f.demand(cancel, parent, name, miss{}, out)
	}
}

// miss is what was known of a name that has to be fetched.
type miss struct{ listed, complete bool }

// demand waits until the file is fetched, the program that asked is
// interrupted, the mount goes or DemandTimeout has passed.
func (f *fsys) demand(cancel <-chan struct{}, parent cache.Inode, name string, was miss, out *fuse.EntryOut) fuse.Status {
	certain := f.certain()
	e, err := f.fetch(cancel, parent, name)
	found := err == nil
	if !found && !errors.Is(err, cache.ErrNotFound) {
		return f.fail(opLookup, parent, name, err)
	}
	if found != was.listed && f.store.ListingComplete() {
		// The kernel may hold a listing of the directory that says otherwise.
		f.note(note{parent: parent})
	}
	if found {
		f.answer(&e, out, certain)
		return fuse.OK
	}
	return f.absent(was.complete, out)
}

// fetch has a file fetched, for whoever demands it. A file that it returns is readable.
func (f *fsys) fetch(cancel <-chan struct{}, parent cache.Inode, name string) (cache.Entry, error) {
	f.stats.misses.Add(1)
	start := time.Now()
	ctx, stop := f.demandContext(cancel)
	defer stop()
	e, err := f.contents.Fetch(ctx, parent, name)
	switch {
	case err == nil && e.State == cache.Gone && e.Kind == cache.File:
		err = cache.ErrNotFound
	case err == nil && e.Kind == cache.File && !readable(&e):
		err = errNotHere
	case err != nil && !errors.Is(err, cache.ErrNotFound):
		err = f.causeOf(ctx, err)
	}
	took := time.Since(start)
	f.stats.waited.Observe(took)
	if f.hooks.Miss != nil {
		f.hooks.Miss(parent, name, took, err)
	}
	return e, err
}

// demandContext is the context of one wait for the origin.
func (f *fsys) demandContext(cancel <-chan struct{}) (context.Context, context.CancelFunc) {
	interruptible, end := context.WithCancelCause(f.ctx)
	ctx, stop := context.WithTimeout(interruptible, f.timeout)
	f.wg.Go(func() {
		select {
		case <-cancel:
			end(errInterrupted)
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		stop()
		end(nil)
	}
}

// causeOf says why a wait ended that ended early, in the words of errnos.
func (f *fsys) causeOf(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	switch {
	case cause == nil:
		return err
	case f.ctx.Err() != nil:
		cause = errUnmounting
	case errors.Is(err, cause):
		return err
	}
	return fmt.Errorf("%w: %w", cause, err)
}

// absent answers that a name does not exist. Only where the listing is complete
// is that certain, and may be remembered: that answer is an entry without an
// inode and with a lifetime, since one of ENOENT has none.
func (f *fsys) absent(certain bool, out *fuse.EntryOut) fuse.Status {
	if !certain {
		return fuse.ENOENT
	}
	out.NodeId = 0
	out.SetEntryTimeout(f.lease)
	return fuse.OK
}
