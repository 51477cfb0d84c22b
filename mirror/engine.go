package mirror

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/pprof"
	"sync"
	"sync/atomic"

	"github.com/motefs/motefs/cache"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
)

// Engine lists an origin and fetches its files into a store. Its methods may be
// called from any goroutine, but Run only once at a time.
type Engine struct {
	opts  Options
	store *cache.Store

	// ctx ends when the engine closes; demand fetches outlive their readers
	// and end with it.
	ctx    context.Context
	cancel context.CancelCauseFunc
	panics zerolog.Logger // see guard
	// These are shared with the engines that With has made.
	pace   *pace
	health *health
	counts *counters
	share  *share
	demand singleflight.Group
	// waiting bounds all fetches for readers, places those that are young.
	waiting, places *semaphore.Weighted
	ahead           readahead
	arrivals        arrivals
	refreshing      atomic.Pointer[cache.Refresh] // what Refresh is at, or was
	asked           sync.Mutex                    // held while Alive waits
	wg              sync.WaitGroup
	beforePasses    func()
	mu              struct {
		sync.Mutex
		closed bool
	}
}

// Open returns an engine, which must be closed before its store.
func Open(o Options) (*Engine, error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	e := &Engine{opts: o, pace: newPace(o.LimitFiles, o.LimitRate), health: newHealth(), counts: &counters{}, share: newShare(o.Fetcher)}
	if g, ok := o.Fetcher.(Guarder); ok {
		e.pace.guards = g.Guards
	}
	e.init(context.Background())
	return e, nil
}

func (e *Engine) init(ctx context.Context) {
	e.store, e.panics = e.opts.Store, panicLog(e.opts.Log)
	e.waiting, e.places = semaphore.NewWeighted(demandWaits), semaphore.NewWeighted(demandFetches)
	e.ahead.init(e)
	e.arrivals.init()
	e.ctx, e.cancel = context.WithCancelCause(ctx)
}

// With returns an engine for another store of the same origin, which knows what this one
// does of that: its pace and health, and how much a connection does. They count together. It
// must be closed before its store, and ends with this one.
func (e *Engine) With(store *cache.Store) *Engine {
	o := e.opts
	o.Store = store
	other := &Engine{opts: o, pace: e.pace, health: e.health, counts: e.counts, share: e.share}
	other.init(e.ctx)
	return other
}

// Close ends what is under way for readers, and a Run, and waits for them. It
// returns soon even while the origin hangs.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.mu.closed = true
	e.mu.Unlock()
	e.cancel(ErrClosed)
	e.wg.Wait()
	return nil
}

// begin registers work that Close waits for; false: the engine is closed.
func (e *Engine) begin() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.closed {
		return false
	}
	e.wg.Add(1)
	return true
}

// Run lists the origin from the store's checkpoint on and, with
// Options.Prefetch, fetches every file that is not in the store. It returns nil
// only when the listing has come to its end and all its names are in the store,
// each file fetched, gone, or recorded as failed; the store's Progress tells
// which.
//
// When ctx is cancelled, batches under way have Options.Grace to end; what they
// have by then is committed, and Run returns ctx's error. Other errors are those
// of the listing (ErrListing, ErrUnreachable, a StatusError), those of the store, and
// a PanicError.
func (e *Engine) Run(ctx context.Context) error {
	if !e.begin() {
		return ErrClosed
	}
	defer e.wg.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(e.ctx, func() { cancel(ErrClosed) })()

	return e.finish(ctx, newRun(e, e.opts.Connections))
}

// Retry is Run for nothing but the files that failed before, also those that failed for
// good: it lists nothing, and asks for no other file. It returns nil once each of them is
// fetched, gone, or has failed again.
func (e *Engine) Retry(ctx context.Context) error {
	if !e.begin() {
		return ErrClosed
	}
	defer e.wg.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(e.ctx, func() { cancel(ErrClosed) })()

	r := newRun(e, e.opts.Connections)
	r.retryOnly = true
	return e.finish(ctx, r)
}

// finish does a run, and puts what it has committed on the disk.
func (e *Engine) finish(ctx context.Context, r *run) error {
	err := r.all(ctx)
	if err == nil && !r.o.DryRun && !r.retryOnly {
		err = r.around(e.guard(func() error { return e.store.Tally(ctx) }))
	}
	if err == nil {
		err = e.store.Damaged()
	}
	if err == nil {
		// Nobody may take a cancelled run for a complete one.
		err = context.Cause(ctx)
	}
	if err == nil && !e.store.ListingComplete() && !r.retryOnly {
		err = errors.New("the mirror stopped before its listing was complete") // a bug, if ever
	}
	// What is committed shall outlive the process, also when the run failed.
	flush := e.store.Flush(context.WithoutCancel(ctx))
	return errors.Join(err, flush)
}

// run is one call of Run.
type run struct {
	e       *Engine
	started cache.Progress
	// refresh is what the run brings up to date, nil for one that completes a mirror.
	refresh *cache.Refresh
	o       RefreshOptions
	// retryOnly has nothing be asked for but what failed before.
	retryOnly bool
	queue     chan *batch
	track     *tracker
	share     *share
	underWay  *semaphore.Weighted // one for each batch that is queued or being fetched

	// missing counts, by verdict, the files that did not come in this pass.
	missing [cache.Verdicts]atomic.Int64
	// believing says that what is not there in this pass, and was not before, is
	// gone; asksFinal that this pass also asks for what failed for good.
	believing atomic.Bool
	asksFinal bool
	// counting, where it is not nil, has files that are not there be counted and not removed,
	// see countMissing; emptied says that the listing has none at all, so that a 404 says
	// nothing of the origin's health. Both change while no batch is under way.
	counting *atomic.Int64
	emptied  bool
}

// newRun returns a run with a queue of that many batches.
func newRun(e *Engine, queue int) *run {
	return &run{
		e: e, started: e.store.Progress(), queue: make(chan *batch, queue),
		track: newTracker(e.store, e.opts.Prefetch), share: e.share, underWay: semaphore.NewWeighted(math.MaxInt64),
	}
}

func (r *run) all(ctx context.Context) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	group, ctx := errgroup.WithContext(ctx)
	// Batches under way outlive ctx by the grace.
	fetchCtx, stopFetch := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stopFetch(nil)
	defer afterGrace(ctx, r.e.opts.Grace, stopFetch)()

	if limit := r.e.opts.Outage; limit >= 0 {
		watched := ctx
		r.e.wg.Go(func() { r.e.watch(watched, limit, end) })
		r.e.wg.Go(func() { r.e.watchRoom(watched, limit, end) })
	}
	workers := r.e.opts.Connections
	if !r.e.opts.Prefetch && r.refresh == nil {
		workers = 1 // committing names is all there is to do
	}
	var planErr error
	r.spawn(ctx, group, "list", func(ctx context.Context) error {
		defer close(r.queue)
		// What was listed before an error is still fetched.
		planErr = r.plan(ctx)
		return nil
	})
	for range workers {
		r.spawn(ctx, group, "fetch", func(ctx context.Context) error { return r.work(ctx, fetchCtx) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return planErr
}

// spawn starts a goroutine whose profile samples carry its role.
func (r *run) spawn(ctx context.Context, group *errgroup.Group, role string, fn func(context.Context) error) {
	group.Go(func() (err error) {
		pprof.Do(ctx, pprof.Labels("motefs", role), func(ctx context.Context) {
			err = r.e.guard(func() error { return fn(ctx) })
		})
		return err
	})
}

// plan feeds the queue: first what was listed before and never fetched, then
// the listing, then what did not come, or failed in earlier runs. A refresh comes
// before all of that.
func (r *run) plan(ctx context.Context) error {
	if r.retryOnly {
		return r.retryFailed(ctx)
	}
	complete := r.e.opts.Prefetch && !r.o.DryRun
	if r.refresh != nil { // what it removes is not asked for
		if err := r.follow(ctx); err != nil {
			return err
		}
	}
	if complete {
		if err := r.planPending(ctx); err != nil {
			return fmt.Errorf("find files that were listed before: %w", err)
		}
	}
	if r.refresh == nil && !r.started.ListingComplete {
		if err := r.planListing(ctx, r.started.Marker); err != nil {
			return err
		}
	}
	if complete {
		return r.retryFailed(ctx)
	}
	return nil
}

// planPending queues what is listed beyond the point up to which all is settled.
func (r *run) planPending(ctx context.Context) error {
	for from, limit := r.started.Settled, r.started.Next; from < limit; {
		page, next, err := r.e.store.Pending(from, limit, r.share.get())
		if err != nil {
			return err
		}
		if err := r.enqueue(ctx, &batch{page: page, mark: cache.Mark{Settled: next}}); err != nil {
			return err
		}
		from = next
	}
	return nil
}

// enqueue hands a batch to the connections, in the order of their checkpoints.
func (r *run) enqueue(ctx context.Context, b *batch) error {
	r.track.add(b)
	if err := r.underWay.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	select {
	case r.queue <- b:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
