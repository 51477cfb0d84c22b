package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/motefs/motefs/mirror/segments"
)

// follow asks for what is new, until the mirror is complete, and then whether it still is
// the same.
func (r *Replica) follow(ctx context.Context) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = r.opts.Poll, maxPoll
	wait.Reset()
	away := false
	for {
		pause := r.opts.Poll
		switch {
		case away:
			pause = wait.NextBackOff()
		case r.catalog.Load().complete:
			pause = maxPoll
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		err := r.once(ctx, r.poll)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !away:
			r.log.Warn().Err(err).Msg("what is new in the mirror is not known; serving what is here")
		case err == nil && away:
			r.log.Info().Msg("the mirror is followed again")
			wait.Reset()
		}
		away = err != nil
		r.counts.away.Store(away)
	}
}

// poll takes what is new of the mirror.
func (r *Replica) poll(ctx context.Context, from *patience) error {
	if err := r.polling.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	defer r.polling.Release(1)
	c := r.catalog.Load()
	if err := r.sameMirror(ctx, from); err != nil {
		return err
	}
	if c.complete {
		return nil
	}
	reader := segments.Reader{Store: from, Mirror: r.id}
	newer, err := reader.Newer(ctx, c.next)
	if err != nil || newer.None() {
		return err
	}
	index := segments.Index{Next: c.next, Complete: c.complete, Segments: make([]segments.Sealed, len(c.segs))}
	for k, s := range c.segs {
		index.Segments[k] = s.Sealed
	}
	news, err := reader.Read(ctx, &index, newer)
	if index.Next == c.next {
		return err
	}
	// What was read before an error counts.
	next, bad := c.with(news, index.Next, index.Complete)
	if bad != nil {
		return errors.Join(err, fmt.Errorf("manifests from %d on: %w", c.next, bad))
	}
	return errors.Join(err, r.take(next, next.unknownTo(c)))
}

// sameMirror returns ErrOtherMirror where another mirror has taken the place of this one.
func (r *Replica) sameMirror(ctx context.Context, from *patience) error {
	m, err := segments.Open(ctx, from, "", time.Time{})
	if err == nil && m.ID != r.id {
		return fmt.Errorf("%w: %s has taken the place of %s; what is here is served on, and nothing more is brought. To have the new one, unmount and remove the folder %s", ErrOtherMirror, m.ID, r.id, r.opts.Store.Dir)
	}
	return err
}

// take makes a catalog the one that counts; news are the segments that were in none before.
func (r *Replica) take(c *catalog, news []*segment) error {
	if err := r.markAll(news); err != nil {
		return err
	}
	if err := r.remember(c, news); err != nil {
		return fmt.Errorf("write down which segments there are: %w", err)
	}
	r.show(c, news)
	return nil
}

// markAll notes what of segments is in the local store.
func (r *Replica) markAll(segs []*segment) error {
	for _, s := range segs {
		if err := r.mark(s); err != nil {
			return err
		}
	}
	return nil
}

// show has readers see a catalog.
func (r *Replica) show(c *catalog, news []*segment) {
	for _, s := range news {
		if !s.names.Load() {
			r.lacking.Add(1)
		}
	}
	r.catalog.Store(c)
	r.tell()
}
