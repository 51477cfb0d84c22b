package mirror

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/motefs/motefs/cache"
	"golang.org/x/sync/semaphore"
)

// health is what the engine knows of its origin as a whole, from what all
// fetches and the listing saw. An origin that answers nothing well is out of
// service, whatever it answers: that is held against no file.
type health struct {
	// fresh says that something good came, or that it began to be waited for, since
	// watch last looked.
	fresh   atomic.Bool
	waiting atomic.Int64        // who waits for the origin now
	outages atomic.Int64        // that began, and those that ended
	turn    *semaphore.Weighted // to ask whether the origin is well
	checked time.Time           // when it last was; with turn
	reach   atomic.Int32        // a Reach
	mu      struct {
		sync.Mutex
		known [knownGood]string // files that the origin has given, the latest last
		why   error             // the last answer that was not good
		whyAt time.Time         // when it came
	}
}

const (
	// knownGood is how many files are remembered to ask an origin whether it is
	// well: any one of them may be deleted.
	knownGood = 4
	// sampled is how many more are asked for that it has listed.
	sampled = 8
	// fewFiles is how many files of which none comes say nothing of an origin
	// that lists well and of which no file is known.
	fewFiles = 64
	// maxPause bounds the pause between two questions whether it is well again.
	maxPause = 15 * time.Second
)

func newHealth() *health { return &health{turn: semaphore.NewWeighted(1)} }

// alive notes that something good came.
func (h *health) alive() {
	if !h.fresh.Load() { // a cache line that everyone reads
		h.fresh.Store(true)
	}
	if h.reach.Load() != int32(ReachUp) {
		h.reach.Store(int32(ReachUp))
	}
}

// good notes that the origin gave that file.
func (h *health) good(name string) {
	h.alive()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.known[knownGood-1] != name {
		copy(h.mu.known[:], h.mu.known[1:])
		h.mu.known[knownGood-1] = name
	}
}

// await counts who waits for the origin. What is not waited for cannot be late.
func (h *health) await() (done func()) {
	if h.waiting.Add(1) == 1 {
		h.fresh.Store(true)
	}
	return func() { h.waiting.Add(-1) }
}

// bad notes an answer that was not good.
func (h *health) bad(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.why, h.mu.whyAt = err, time.Now()
}

// down notes that the origin as a whole is not well, as err says.
func (h *health) down(err error) {
	h.bad(err)
	h.reach.Store(int32(ReachDown))
}

// watch ends a Run with ErrOutage once nothing good came for limit while something
// was waited for. Halfway there it asks itself, as all that is waited for may be
// slow, or files that fail. The time is that of its ticks, of which there are none
// while the process is stopped or the machine sleeps.
func (e *Engine) watch(ctx context.Context, limit time.Duration, end context.CancelCauseFunc) {
	h := e.health
	every := max(min(limit/8, time.Second), time.Millisecond)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for quiet, asked := time.Duration(0), false; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if quiet += every; h.fresh.Swap(false) || h.waiting.Load() == 0 {
			quiet, asked = 0, false
		}
		switch {
		case quiet >= limit:
			end(h.outage(limit))
			return
		case quiet >= limit/2 && !asked:
			asked = true
			e.wg.Go(func() {
				if err := e.guard(func() error {
					asking, cancel := context.WithTimeout(ctx, limit/2)
					defer cancel()
					_, _ = e.well(asking) // notes what it finds
					return nil
				}); err != nil {
					end(err)
				}
			})
		}
	}
}

// outage is the error for an origin that gave nothing good for that long.
func (h *health) outage(limit time.Duration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	why := h.mu.why
	if why == nil {
		why = errors.New("no answer")
	}
	return fmt.Errorf("%w: nothing good came for %v, the last was: %w", ErrOutage, limit, why)
}

// well asks for files that the origin has given before, and for some that it has
// listed, in case those are gone; it begins when the origin is not to be left alone any
// more. known is false where none was ever given; err is why none of them came.
func (e *Engine) well(ctx context.Context) (known bool, err error) {
	if err := e.pace.rest(ctx); err != nil {
		return false, err
	}
	h := e.health
	h.mu.Lock()
	names := slices.DeleteFunc(slices.Clone(h.mu.known[:]), func(name string) bool { return name == "" })
	h.mu.Unlock()
	sample := func(n int, here bool) []string {
		names, err := e.sample(n, here)
		if err != nil {
			e.opts.Log.Warn().Err(err).Msg("the store gives no file to ask the origin for")
		}
		return names
	}
	if len(names) == 0 {
		names = sample(knownGood, true)
	}
	known = len(names) > 0
	for range sampled {
		names = append(names, sample(1, false)...)
	}
	if len(names) == 0 {
		return false, nil
	}
	if err = e.askFor(ctx, names); err == nil {
		known = true
	}
	return known, err
}

// sample returns up to n names that are listed, or only such that are here, from about a
// number that is drawn at random.
func (e *Engine) sample(n int, here bool) ([]string, error) {
	if e.store == nil { // one that only walks
		return nil, nil
	}
	return e.store.Sample(cache.Inode(rand.Uint64N(uint64(e.store.Progress().Next))), n, here) //nolint:gosec // a sample, no secret
}

// askFor asks for files until one comes; err is why none does.
func (e *Engine) askFor(ctx context.Context, names []string) (err error) {
	found := ""
	fetchErr := e.opts.Fetcher.Fetch(ctx, names, Receiver{Receive: func(i int, _ *Object, got error) {
		if got == nil {
			found = names[i]
		} else {
			err = got
		}
	}})
	if found == "" {
		e.throttled(err)
		return errors.Join(err, fetchErr)
	}
	e.health.good(found)
	return nil
}

// recovered is called where that many files did not come, because of why; some of
// them are asked for again where no others are known. It returns false at once
// where the origin is well, so that it is the files' fault, and true once it is well
// again. The error is ctx's.
func (e *Engine) recovered(ctx context.Context, files int, some []string, why error) (bool, error) {
	h := e.health
	h.bad(why)
	began, outages := time.Now(), h.outages.Load()
	// An origin that is to be left alone is not waited for: it may want that for as long as an outage may last.
	if err := e.pace.rest(ctx); err != nil {
		return false, err
	}
	defer h.await()()
	if err := h.turn.Acquire(ctx, 1); err != nil {
		return false, context.Cause(ctx)
	}
	defer h.turn.Release(1)
	if h.outages.Load() > outages || h.checked.After(began) {
		return h.outages.Load() > outages, nil // somebody else has asked since
	}
	wait := e.newBackoff(maxPause)
	for down := false; ; down = true {
		known, err := e.well(ctx)
		switch {
		case known || err != nil:
		case len(some) > 0:
			err = e.askFor(ctx, some)
		case !e.lists(ctx):
			err = why
		}
		switch {
		case ctx.Err() != nil:
			return false, context.Cause(ctx)
		case err == nil:
			h.checked = time.Now()
			if down {
				h.outages.Add(1) // for those who came while it lasted
			}
			return down, nil
		case !known && files < fewFiles && !down && e.lists(ctx):
			return false, nil
		case !down:
			h.outages.Add(1)
			e.opts.Log.Warn().Err(err).Msg("the origin gives not even what it gave before; waiting until it is well")
		}
		h.down(err)
		if err := sleep(ctx, max(wait.NextBackOff(), retryAfter(err))); err != nil {
			return false, err
		}
	}
}

// lists reports whether the origin lists.
func (e *Engine) lists(ctx context.Context) bool {
	_, err := e.opts.Lister.List(ctx, "")
	return !Temporary(err)
}
