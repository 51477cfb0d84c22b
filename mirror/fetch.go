package mirror

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/motefs/motefs/cache"
)

// work takes batches from the queue until it is closed.
func (r *run) work(ctx, fetchCtx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case b, ok := <-r.queue:
			if !ok {
				return nil
			}
			if ctx.Err() != nil { // select takes either
				return errors.Join(context.Cause(ctx), b.end())
			}
			if err := r.process(fetchCtx, b); err != nil {
				return err
			}
			r.underWay.Release(1)
		}
	}
}

// end lets go of what a batch holds.
func (b *batch) end() error {
	if b.release != nil {
		b.release()
	}
	if b.page == nil {
		return nil
	}
	return b.page.Close()
}

// process fetches a batch and commits it, also where it could be fetched only in
// part: what is missing is then pending in the store.
func (r *run) process(ctx context.Context, b *batch) (err error) {
	defer func() { err = errors.Join(err, b.end()) }()
	if b.page == nil {
		return r.track.finish(b, true)
	}
	if !r.o.DryRun {
		if err := r.room(ctx, nil); err != nil {
			return err
		}
	}
	if !b.page.Unlisted() {
		if err := b.page.Load(); err != nil {
			return r.around(err)
		}
	}
	var gone []int
	var fetchErr error
	if r.e.opts.Prefetch || r.refresh != nil {
		gone, fetchErr = r.fetch(ctx, b.page)
	}
	if storeFailed(fetchErr) {
		return fetchErr
	}
	if err := b.page.Commit(); err != nil {
		return r.around(err)
	}
	if r.e.opts.Events.Gone != nil {
		for _, k := range gone { // they have been shown until now
			r.e.opts.Events.Gone(b.page.Where(k))
		}
	}
	return errors.Join(fetchErr, r.track.finish(b, b.page.Settled()))
}

// around has a run go on where the store is damaged, and says so at its end. What is
// left out is not finished, so that the checkpoint stays before it.
func (r *run) around(err error) error {
	if r.e.store.MetDamage(err) {
		return nil
	}
	return err
}

// miss is a file that did not come.
type miss struct {
	slot int
	err  error
}

// fetch asks for the open files of a page. Those that do not come are recorded
// as failed, and asked for again in a later pass; but where the origin turns out
// to be out of service, that is waited for instead, and all are asked for again; and
// so are those that the origin was not reached for, or the store had no room for. It returns those that are
// gone. The error is ctx's, or the store's.
func (r *run) fetch(ctx context.Context, page *cache.Page) (gone []int, err error) {
	wait := r.e.newBackoff(maxPause)
	for {
		good, misses, err := r.ask(ctx, page)
		if cache.NoRoom(err) {
			if err := r.room(ctx, err); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(misses, func(m miss) bool { return mayBeOrigin(m.err) && !r.expected(page, m.err) }) {
			var some []string
			for range sampled {
				some = append(some, page.Name(misses[rand.IntN(len(misses))].slot)) //nolint:gosec // a sample, no secret
			}
			switch down, err := r.e.recovered(ctx, len(misses), some, misses[0].err); {
			case err != nil:
				return nil, err
			case down:
				for _, m := range misses {
					r.e.counts.again(m.err, 1)
				}
				continue
			}
		}
		unreached := 0
		for _, m := range misses {
			if errors.Is(m.err, ErrUnreachable) {
				r.e.counts.again(m.err, 1)
				unreached++
				continue
			}
			believed, err := r.missed(page, m)
			if err != nil {
				return nil, err
			}
			if believed {
				gone = append(gone, m.slot)
			}
		}
		if unreached == 0 {
			return gone, nil
		}
		if good > 0 || unreached < len(misses) {
			wait.Reset()
		} else if err := sleep(ctx, wait.NextBackOff()); err != nil {
			return nil, err
		}
	}
}

// ask asks for all that is open, but for what failed for good in this Run, as fast
// as the pace allows. good is how many of them came.
func (r *run) ask(ctx context.Context, page *cache.Page) (good int, misses []miss, err error) {
	e := r.e
	in := intake{e: e, ctx: ctx, page: page}
	in.failed = func(slot int, err error) {
		e.throttled(err)
		if r.expected(page, err) {
			e.health.alive()
		}
		misses = append(misses, miss{slot, err})
	}
	var g grant
	in.wait, in.piece = func(bytes int64) error { return g.came(ctx, bytes) }, e.pace.piece()
	var due []int
	for k := range page.Len() {
		failure := page.Failure(k)
		wanted := e.opts.Prefetch || page.Reviewed(k) || page.Unlisted()
		if !page.Open(k) || !wanted || failure != nil && failure.Verdict == cache.Final && !r.asksFinal {
			continue
		}
		if err := e.tooLarge(page, k); err != nil {
			misses = append(misses, miss{k, err})
			continue
		}
		due = append(due, k)
	}
	for len(due) > 0 {
		if g, err = e.pace.grant(ctx, len(due)); err != nil {
			return 0, nil, err
		}
		n, good, before := g.files, in.good, in.bodies
		done, start := e.health.await(), time.Now()
		err = in.fetch(due[:n])
		done()
		r.share.took(n, time.Since(start))
		if cause := context.Cause(ctx); cause != nil && !storeFailed(err) {
			err = cause
		}
		if err != nil {
			return 0, nil, err
		}
		if err := g.end(ctx, in.good-good, in.bodies-before); err != nil {
			return 0, nil, err
		}
		due = due[n:]
	}
	return in.good, misses, nil
}

// expected reports whether it is no wonder that a file is not there, as the origin lists
// nothing.
func (r *run) expected(page *cache.Page, err error) bool {
	return r.emptied && page.Unlisted() && errors.Is(err, ErrGone)
}

// missed records a file that did not come, or believes that it is gone.
func (r *run) missed(page *cache.Page, m miss) (gone bool, err error) {
	if !page.Open(m.slot) {
		return false, nil // somebody else has stored it meanwhile
	}
	before := page.Failure(m.slot)
	verdict := verdictOf(m.err)
	switch {
	case r.counting != nil:
		if verdict == cache.NotThere {
			r.counting.Add(1)
		}
		return false, nil
	case (page.Reviewed(m.slot) || page.Unlisted()) && verdict == cache.NotThere:
		return page.Unlisted(), asStore(page.Gone(m.slot))
	case page.Reviewed(m.slot) || page.Unlisted():
		r.e.counts.again(m.err, 1)
		page.Fail(m.slot, verdict, m.err)
		return false, nil
	}
	if before != nil && before.Verdict == cache.NotThere && verdict == cache.NotThere && r.believing.Load() {
		return true, asStore(page.Gone(m.slot))
	}
	r.missing[verdict].Add(1)
	if verdict != cache.Final {
		r.e.counts.again(m.err, 1)
	}
	page.Fail(m.slot, verdict, m.err)
	return false, nil
}

// verdictOf says what an error means for its file. A refusal may be a session that
// has run out, or one server of many; only what the file itself is stays.
func verdictOf(err error) cache.Verdict {
	switch {
	case errors.Is(err, ErrGone):
		return cache.NotThere
	case mayBeOrigin(err):
		return cache.MayPass
	default:
		return cache.Final
	}
}

// mayBeOrigin reports whether an error may be the origin's fault and not the
// file's.
func mayBeOrigin(err error) bool {
	_, status := errors.AsType[*StatusError](err)
	return status || Temporary(err) || errors.Is(err, ErrRedirect)
}
