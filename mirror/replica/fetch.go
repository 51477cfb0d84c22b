package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/motefs/motefs/cache"
)

// fetchRounds is how often a file is looked up whose content went again before it was seen.
const fetchRounds = 8

// Contents is the replica as a mount has files come from it.
type Contents struct{ r *Replica }

// Contents returns what brings files to a mount.
func (r *Replica) Contents() *Contents { return &Contents{r: r} }

// Fetch has the entry called name of the directory parent be here, with its content. The
// errors are cache.ErrNotFound where the mirror has no such name, or where it is gone at the
// origin; ErrNotFetched; ctx's; or why it cannot be brought.
func (c *Contents) Fetch(ctx context.Context, parent cache.Inode, name string) (cache.Entry, error) {
	r := c.r
	lacks := 0 // how often it was not in the table that is here
	for range fetchRounds {
		complete := r.catalog.Load().complete // asked before: what comes in between is not looked for
		e, err := r.find(ctx, parent, name)
		switch {
		case errors.Is(err, cache.ErrNotFound) && r.opts.Unlisted != nil && !complete:
			return r.opts.Unlisted(ctx, parent, name)
		case err != nil:
			return cache.Entry{}, r.noted(ctx, err)
		case e.Kind == cache.Dir:
			return e, nil
		case e.State == cache.Gone:
			return cache.Entry{}, fmt.Errorf("%w: gone at the origin", cache.ErrNotFound)
		case e.State == cache.Blob:
			here, err := r.store.HasBlob(e.Inode)
			if err == nil && !here {
				err = r.bringBlob(ctx, &e)
			}
			if err != nil {
				return cache.Entry{}, r.noted(ctx, err)
			}
			if here {
				return e, nil
			}
			continue
		case e.Here():
			return e, nil
		}
		s := r.catalog.Load().of(e.Inode)
		if s == nil {
			return cache.Entry{}, fmt.Errorf("inode %d is of no segment", e.Inode) // a bug, if ever
		}
		if s.Counts.Failed > 0 {
			if err := r.failed(e.Inode); err != nil {
				return cache.Entry{}, err
			}
		}
		part := s.partOf(parent, name)
		if s.here(part) {
			if lacks++; lacks == fetchRounds/2 {
				return cache.Entry{}, r.noted(ctx, untrue("segment %d has no content of %q", s.Seq, name))
			}
			continue // it came, or was taken back, since it was looked up
		}
		if err := r.contentsOf(ctx, s, part, r.demand); err != nil {
			return cache.Entry{}, r.noted(ctx, err)
		}
		r.touch(e.Inode)
	}
	return cache.Entry{}, fmt.Errorf("%q was taken back before it could be read, %d times; give a larger cache size", name, fetchRounds)
}

// failed says why a file is not in the mirror, nil where it is.
func (r *Replica) failed(ino cache.Inode) (err error) {
	bad := r.store.Failures(ino, func(of cache.Inode, f cache.Failure) bool {
		if of == ino {
			err = fmt.Errorf("%w: %s", ErrNotFetched, f.Reason)
		}
		return false
	})
	return errors.Join(bad, err)
}

// noted logs, at a bounded rate, what readers meet.
func (r *Replica) noted(ctx context.Context, err error) error {
	if ctx.Err() == nil && r.ctx.Err() == nil && !errors.Is(err, cache.ErrNotFound) {
		r.counts.failures.Add(1)
		r.sampled.Debug().Err(err).Msg("a reader gets an error") // which who asked for it tells the log
	}
	return err
}

// Arriving is that of fs.Arrivals: no file is shown before it is whole.
func (c *Contents) Arriving(cache.Inode) (*cache.Entry, error) { return nil, nil }

// Shown is that of fs.Arrivals.
func (c *Contents) Shown(cache.Inode) (*cache.Entry, uint64) { return nil, 0 }

// ReadAt is that of fs.Arrivals.
func (c *Contents) ReadAt(context.Context, cache.Inode, []byte, int64, time.Duration) (int, bool, error) {
	return 0, false, nil
}
