package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/segments"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
)

var (
	// errComplete ends a process: a manifest says that the mirror is complete.
	errComplete = errors.New("the mirror is complete")
	// errSuperseded says that another lists, who came later.
	errSuperseded = errors.New("another has taken over")
	// errStoreAway says that the object store was away for longer than is waited.
	errStoreAway = errors.New("the object store was away")
)

// Process is a member of a cluster. Its Run is called once; all else may be called from any
// goroutine.
type Process struct {
	o      Options
	store  objects.Store
	reader segments.Reader
	src    source
	close  func() error
	// slots are Options.Slots, and waiting is waitingBytes; see work.
	slots, waiting *semaphore.Weighted
	// alone says that there are no others.
	alone bool
	// stays has it take part again after an outage, which the others may not have.
	stays bool
	// bogus are items that name no segment of the mirror, of which warned tells the log now and
	// then.
	bogus  atomic.Uint64
	warned zerolog.Logger
	// assigned brings slots what the leader wants to be overtaken.
	assigned chan uint64
	// news has a token where something was committed since the keeper looked, as far as this process
	// has heard, and hurry where the next report is to come at once.
	news, hurry chan struct{}
	// The goroutine of report has these: by how many limits are divided, how many manifests
	// there were, and whether the log says that the bus took the mirror for complete.
	sharing      int
	manifests    uint64
	contradicted bool
	mu           struct {
		sync.Mutex
		working  map[uint64]work
		overtook map[uint64]time.Time
		idle     int
		others   []Report
		// gone are segments whose workers are not heard of any more, and since when.
		gone     map[uint64]time.Time
		full     time.Time // since when the local disk has no room; zero: it has
		leaveBy  time.Time // until when what is handed back is waited for; zero: it goes on
		leading  *Leading  // while this process has the lease
		commits  uint64    // of this process
		unsealed uint64    // commits that were heard of since the keeper looked
		complete bool
		ended    bool // this process has sealed the last segment
	}
}

// Open returns a process, which is to be closed.
func Open(o Options) (*Process, error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	_, alone := o.Bus.(*Local)
	stays := o.Engine.Outage < 0 && !alone
	if stays {
		o.Engine.Outage = o.soon(handBackAfter)
	}
	store := ofStore{o.Store}
	p := &Process{o: o, alone: alone, stays: stays, store: store, reader: segments.Reader{Store: store, Mirror: o.Mirror.ID}, src: o.source, assigned: make(chan uint64), news: make(chan struct{}, 1), hurry: make(chan struct{}, 1), slots: semaphore.NewWeighted(int64(o.Slots)), waiting: semaphore.NewWeighted(waitingBytes), warned: o.Log.Sample(&zerolog.BurstSampler{Burst: 1, Period: bogusEvery})}
	p.mu.working, p.mu.overtook, p.mu.gone = map[uint64]work{}, map[uint64]time.Time{}, map[uint64]time.Time{}
	if p.src != nil {
		return p, nil
	}
	e, err := openEngine(o)
	if err != nil {
		return nil, err
	}
	p.src, p.close = e, e.Close
	return p, nil
}

// Close ends what is under way at the origin, and removes what is on the local disk.
func (p *Process) Close() error {
	if p.close == nil {
		return nil
	}
	return errors.Join(p.close(), os.RemoveAll(p.o.Dir))
}

// Result is what a Run has come to.
type Result struct {
	// Complete says that each file of the listing is fetched, gone, or recorded as failed, and
	// that a manifest says so. It may be said beside an error, of what was to be done after that.
	Complete bool
	Totals
}

// Run takes part in the mirror until it is complete, and returns nil only then. Files
// that failed are counted in the result. Of one that is complete already it removes what nobody
// refers to.
//
// When ctx is cancelled, what is worked at is handed back, and Run returns ctx's error. Other
// errors are those of mirror.Engine.Run about the origin and the local disk, and those of the
// object store; the other processes go on. What is committed is kept in any case.
//
// One with others that waits for an outage for ever hands the lease and what it is at back after
// handBackAfter, as they may have none, and takes part again.
func (p *Process) Run(ctx context.Context) (Result, error) {
	for {
		result, err := p.turn(ctx)
		if !p.stays || ctx.Err() != nil || !mayPass(err) {
			return result, err
		}
		p.o.Log.Warn().Err(err).Msg("the lease and what was worked at are handed back to the others; this process takes part again")
		if err := sleep(ctx, p.o.soon(joinAgain)); err != nil {
			return Result{}, err
		}
		p.mu.Lock()
		p.mu.full = time.Time{} // room is waited for as long again
		p.mu.Unlock()
	}
}

// mayPass reports whether an error is that of an outage: of the origin, of the object store, or that
// the local disk has no room.
func mayPass(err error) bool {
	return errors.Is(err, mirror.ErrOutage) || errors.Is(err, mirror.ErrManyGone) || errors.Is(err, errStoreAway) || cache.NoRoom(err)
}

// turn takes part until an outage is too long.
func (p *Process) turn(ctx context.Context) (Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	p.mu.Lock()
	p.mu.leaveBy = time.Time{}
	p.mu.Unlock()
	watched := make(chan struct{})
	go func() { // turn waits for it
		defer close(watched)
		if err := p.watchStore(ctx); err != nil {
			cancel(err)
		}
	}()
	result, err := p.all(ctx)
	cancel(nil)
	<-watched
	return result, err
}

func (p *Process) all(ctx context.Context) (Result, error) {
	complete, err := p.isComplete(ctx)
	if err != nil {
		return Result{}, err
	}
	if !complete {
		if err := p.run(ctx); err != nil {
			p.goodbye(ctx)
			return Result{}, err
		}
		p.leave(ctx)
	}
	var all segments.Index
	if _, err := p.reader.Follow(ctx, &all); err != nil {
		return Result{Complete: true}, err
	}
	if !all.Complete {
		return Result{}, fmt.Errorf("%w: its newest manifest does not say any more that it is complete", segments.ErrBad)
	}
	p.tidyBus(ctx, &all)
	return Result{Complete: true, Totals: totals(&all, uint64(len(all.Segments)))}, p.sweepOnce(ctx, &all, complete)
}

// sweepOnce removes what nobody refers to: one process does so, that which has sealed the end, and
// each that comes late, which has nothing else to do.
func (p *Process) sweepOnce(ctx context.Context, all *segments.Index, comesLate bool) error {
	p.mu.Lock()
	ended := p.mu.ended
	p.mu.Unlock()
	if !ended && !comesLate {
		return nil
	}
	err := p.sweep(ctx, all)
	if err != nil && !comesLate && ctx.Err() == nil {
		p.o.Log.Warn().Err(err).Msg("not all that nobody refers to could be removed; run it again to do so")
		return nil
	}
	return err
}

// run takes part, and returns nil once the mirror is complete.
func (p *Process) run(ctx context.Context) error {
	group, inner := errgroup.WithContext(ctx)
	group.Go(func() error { return p.report(inner) })
	group.Go(func() error { return p.lead(inner) })
	for range p.o.Slots + waitingSegments {
		group.Go(func() error {
			if err := p.meet(inner); err != nil {
				return err
			}
			return p.work(inner)
		})
	}
	err := group.Wait()
	switch {
	case errors.Is(err, errComplete):
		return nil
	case err == nil || ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return err
}

// watchStore ends a process whose object store is away for longer than an origin may be.
func (p *Process) watchStore(ctx context.Context) error {
	store, ok := p.o.Store.(away)
	if !ok || p.o.Engine.Outage < 0 {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	// It is told in ticks, of which there are none while the process is stopped or the
	// machine sleeps.
	for gone := time.Duration(0); ; {
		if err := sleep(ctx, reportEvery); err != nil {
			return err
		}
		since, why := store.Away()
		if gone += reportEvery; since.IsZero() {
			gone = 0
		}
		if gone > p.o.Engine.Outage {
			return fmt.Errorf("%w for %v: %w", errStoreAway, gone, storeError{why})
		}
	}
}

// isComplete looks whether a manifest says that the mirror is complete.
func (p *Process) isComplete(ctx context.Context) (complete bool, err error) {
	complete, p.manifests, err = p.reader.Complete(ctx, p.manifests)
	if complete {
		p.mu.Lock()
		p.mu.complete = true
		p.mu.Unlock()
	}
	return complete, err
}

// totals adds up what is sealed.
func totals(all *segments.Index, known uint64) Totals {
	t := Totals{Segments: max(known, uint64(len(all.Segments)))}
	for i := range all.Segments {
		t.add(&all.Segments[i])
	}
	return t
}

func (t *Totals) add(s *segments.Sealed) {
	t.Sealed++
	t.Files += s.Part.Files
	t.Dirs += s.Part.Dirs
	t.Skipped += s.Part.Skipped
	t.Fetched += s.Counts.Fetched
	t.Bytes += s.Counts.Bytes
	t.Gone += s.Counts.Gone
	t.Failed += s.Counts.Failed
}

// lead waits for the lease and leads for as long as it has it, again and again.
func (p *Process) lead(ctx context.Context) error {
	lease := p.o.Bus.Lease()
	var full noRoomToList
	for {
		wanted := time.Now()
		held, epoch, err := lease.Acquire(ctx)
		if err != nil {
			return err
		}
		waited := time.Since(wanted)
		listed, err := p.leadOnce(ctx, held, epoch)
		lost := held.Err() != nil
		leaving, cancel := p.leaving(ctx)
		released := lease.Release(leaving)
		cancel()
		switch {
		case errors.Is(err, errComplete):
			return err // whoever waits for the lease finds out by itself
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case cache.NoRoom(err):
			if err := p.awaitRoomToList(ctx, err, &full, waited, listed); err != nil {
				return err
			}
			continue
		case !lost && !errors.Is(err, errSuperseded):
			return err
		}
		full = noRoomToList{}
		if errors.Is(err, errSuperseded) || onlySays(err, context.Canceled, context.Cause(held)) {
			p.o.Log.Info().Uint64("epoch", epoch).AnErr("release", released).Err(err).Msg("this process lists no more: its lease is another's, or may be")
		} else {
			p.o.Log.Error().Uint64("epoch", epoch).AnErr("release", released).Err(err).Msg("listing failed, and the lease is lost")
		}
		if err := sleep(ctx, rand.N(time.Second)); err != nil { //nolint:gosec // a jitter, no secret
			return err
		}
	}
}

// leaving is a context for what is handed back, also where ctx has ended: then all of it has leaveTimeout
// together, whatever is away.
func (p *Process) leaving(ctx context.Context) (context.Context, context.CancelFunc) {
	by := time.Now().Add(leaveTimeout)
	if ctx.Err() != nil {
		p.mu.Lock()
		if p.mu.leaveBy.IsZero() {
			p.mu.leaveBy = by
		}
		by = p.mu.leaveBy
		p.mu.Unlock()
	}
	return context.WithDeadline(context.WithoutCancel(ctx), by)
}

// onlySays reports whether an error says nothing but some of these, with whatever was put around
// them.
func onlySays(err error, these ...error) bool {
	if slices.Contains(these, err) {
		return true
	}
	switch e := err.(type) { //nolint:errorlint // it is unwrapped here
	case storeError:
		return onlySays(e.err, these...)
	case interface{ Unwrap() error }:
		return onlySays(e.Unwrap(), these...)
	case interface{ Unwrap() []error }:
		all := e.Unwrap()
		return len(all) > 0 && !slices.ContainsFunc(all, func(err error) bool { return !onlySays(err, these...) })
	}
	return false
}

// leadOnce leads for as long as the lease is held. listed is how many name segments there were then, as
// far as the lister knows.
func (p *Process) leadOnce(ctx, held context.Context, epoch uint64) (listed uint64, err error) {
	held, cancel := context.WithCancelCause(held)
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })()
	defer p.setLeading(nil)

	group, held := errgroup.WithContext(held)
	k := newKeeper(p, epoch)
	group.Go(func() error { return p.list(held, k) })
	group.Go(func() error { return k.keep(held) })
	err = group.Wait()
	return k.inChain(), err
}

func (p *Process) setLeading(l *Leading) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.leading = l
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
