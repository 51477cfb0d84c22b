package replica

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/motefs/motefs/mirror/segments"
)

// share has fn be done once however many ask for the same key at the same time. Who stops
// waiting does not stop it.
func (r *Replica) share(ctx context.Context, _ *segment, key string, fn func(context.Context) error) error {
	done := r.flights.DoChan(key, func() (any, error) {
		if !r.begin() {
			return nil, ErrClosed
		}
		defer r.wg.Done()
		return nil, fn(r.ctx)
	})
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case result := <-done:
		return result.Err
	}
}

// demand is share for a reader.
func (r *Replica) demand(ctx context.Context, s *segment, key string, fn func(context.Context) error) error {
	r.demanded.Add(1)
	s.demanded.Add(1)
	defer func() {
		s.demanded.Add(-1)
		if r.demanded.Add(-1) == 0 {
			announce(r.idle)
		}
	}()
	return r.share(ctx, s, key, fn)
}

// yield lets readers go first, for a while, where nobody waits for the segment.
func (r *Replica) yield(ctx context.Context, s *segment) error {
	for end := time.After(yieldFor); r.demanded.Load() > 0 && s.demanded.Load() == 0; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-r.idle:
		case <-time.After(yieldLook): // somebody may wait for this segment by now
		case <-end:
			return nil
		}
	}
	return context.Cause(ctx)
}

// piece is the k-th of a segment's tables.
func (s *segment) piece(k int) piece {
	return piece{object: segments.TableName(s.Seq, s.Attempt, k), size: s.Tables[k].Size, sum: s.Tables[k].Sum}
}

// namesOf has the names of a segment be here, its files with its directories. wait is demand or share.
func (r *Replica) namesOf(ctx context.Context, s *segment, wait waiter) error {
	if s.names.Load() {
		return nil
	}
	return wait(ctx, s, fmt.Sprintf("names/%d", s.Seq), func(ctx context.Context) error { return r.bringNames(ctx, s) })
}

// waiter is share or demand.
type waiter func(ctx context.Context, s *segment, key string, fn func(context.Context) error) error

func (r *Replica) bringNames(ctx context.Context, s *segment) error {
	if s.names.Load() {
		return nil
	}
	if err := r.dirsOf(ctx, s, r.share); err != nil {
		return err
	}
	pieces := []piece{{object: segments.NamesName(s.Seq), off: s.HeadSize + s.DirsSize, size: s.FilesSize, sum: s.FilesSum}}
	if len(s.Tables) > 0 {
		pieces = append(pieces, s.piece(0))
	}
	if err := r.roomFor(pieces); err != nil {
		return fmt.Errorf("bring the names of segment %d: %w", s.Seq, err)
	}
	err := r.retry(ctx, func(ctx context.Context, p *patience) error {
		return r.inTurn(ctx, p, r.slots.tables, pieces, func(files []*os.File) error {
			// One table is ingested at a time.
			if err := r.yield(ctx, s); err != nil {
				return err
			}
			return r.ingestNames(ctx, s, files)
		})
	})
	if err != nil {
		return fmt.Errorf("bring the names of segment %d: %w", s.Seq, err)
	}
	s.brought.Store(r.space.now.Load())
	s.names.Store(true)
	r.counts.names.Add(1)
	if r.lacking.Add(-1) == 0 {
		r.tell()
	}
	return nil
}

// key is what those share who wait for a segment's table of contents.
func (s *segment) key(part int) string { return fmt.Sprintf("contents/%d/%d", s.Seq, part) }

// contentsOf has a table of a segment's contents be here, or with 0 all of them, and its names.
func (r *Replica) contentsOf(ctx context.Context, s *segment, part int, wait waiter) error {
	from, to := part, part
	if part == 0 {
		from, to = 1, len(s.parts)-1
	}
	for k := from; k <= to; k++ {
		if s.parts[k].Load() {
			continue
		}
		if err := wait(ctx, s, s.key(k), func(ctx context.Context) error { return r.bringPart(ctx, s, k) }); err != nil {
			return err
		}
	}
	return nil
}

func (r *Replica) bringPart(ctx context.Context, s *segment, k int) error {
	if s.parts[k].Load() {
		return nil
	}
	if err := r.namesOf(ctx, s, r.share); err != nil {
		return err
	}
	pieces := []piece{s.piece(k)}
	if err := r.roomFor(pieces); err != nil {
		return fmt.Errorf("bring the contents of segment %d: %w", s.Seq, err)
	}
	err := r.retry(ctx, func(ctx context.Context, p *patience) error {
		return r.inTurn(ctx, p, r.slots.tables, pieces, func(files []*os.File) error { return r.ingestPart(ctx, s, k, files[0]) })
	})
	if err != nil {
		return fmt.Errorf("bring the contents of segment %d: %w", s.Seq, err)
	}
	s.brought.Store(r.space.now.Load())
	s.used.Store(r.space.now.Load())
	s.parts[k].Store(true)
	r.counts.contents.Add(1)
	return nil
}

// inTurn is getAll, once there is a place among the downloads of tables.
func (r *Replica) inTurn(ctx context.Context, p *patience, slots *semaphore.Weighted, pieces []piece, use func([]*os.File) error) error {
	if err := p.aside(func() error { return slots.Acquire(ctx, 1) }); err != nil {
		return context.Cause(ctx)
	}
	defer slots.Release(1)
	return r.getAll(ctx, p, pieces, use)
}

// fetchNames brings all names in the background, in the order of the segments: all directories, and
// then the files. It says so in the local store once the mirror is complete.
func (r *Replica) fetchNames(ctx context.Context) {
	r.keepDoing(ctx, r.news.names, "bring names", func() error {
		err := r.eachSegment(ctx, backgroundDirs, func(s *segment) bool { return !s.dirs.Load() }, r.dirsOf)
		err = errors.Join(err, r.eachSegment(ctx, backgroundDownloads, func(s *segment) bool { return !s.names.Load() }, r.namesOf))
		return errors.Join(err, r.complete())
	})
}

// fetchContents brings all contents in the background, as long as they fit.
func (r *Replica) fetchContents(ctx context.Context) {
	r.keepDoing(ctx, r.news.contents, "bring contents", func() error {
		return r.eachSegment(ctx, backgroundDownloads, func(s *segment) bool { return !s.here(0) && r.fits(s) },
			func(ctx context.Context, s *segment, wait waiter) error { return r.contentsOf(ctx, s, 0, wait) })
	})
}

// complete says in the local store that all names are here, where they are.
func (r *Replica) complete() error {
	if !r.catalog.Load().complete || r.lacking.Load() > 0 || r.store.ListingComplete() {
		return nil
	}
	return r.store.EndListing()
}

// eachSegment brings something of every segment that wants says, at most that many at a time. What fails
// does not keep the others from coming; the error is the last one.
func (r *Replica) eachSegment(ctx context.Context, most int, wants func(*segment) bool, bring func(context.Context, *segment, waiter) error) error {
	var group errgroup.Group
	group.SetLimit(most)
	var failed atomic.Pointer[error]
	for _, s := range r.catalog.Load().segs {
		if ctx.Err() != nil {
			break
		}
		if !wants(s) || r.yield(ctx, s) != nil {
			continue
		}
		group.Go(func() error {
			if err := bring(ctx, s, r.share); err != nil {
				failed.Store(&err)
			}
			return nil
		})
	}
	_ = group.Wait() // it has none of its own
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// keepDoing does something whenever there is news, and again after an error, of which the log hears the
// first in a row.
func (r *Replica) keepDoing(ctx context.Context, news <-chan struct{}, doing string, do func() error) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = r.opts.backoff, maxPoll
	wait.Reset()
	for failing := false; ; {
		err := do()
		var again <-chan time.Time
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			level := zerolog.DebugLevel
			if !failing {
				level = zerolog.WarnLevel
			}
			r.sampled.WithLevel(level).Err(err).Msg(doing + " in the background: it is tried again")
			failing, again = true, time.After(wait.NextBackOff())
		default:
			if failing {
				r.log.Info().Msg(doing + " in the background: it goes on")
			}
			failing = false
			wait.Reset()
		}
		select {
		case <-ctx.Done():
			return
		case <-news:
		case <-again:
		}
	}
}
