package status

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs"
	"github.com/motefs/motefs/mirror"
)

// Store is what a Source needs of a *cache.Store.
type Store interface {
	Origin() string
	Dir() string
	Progress() cache.Progress
	Failures(from cache.Inode, fn func(cache.Inode, cache.Failure) bool) error
	Short() bool
	Free() (uint64, error)
}

// runner is a Store that others fill too.
type runner interface {
	// Run is what this process has fetched since it began.
	Run() (files, bytes *uint64)
	// Since is what of a Progress came about since this process hears of all, for rates.
	Since(p cache.Progress) cache.Progress
}

// Engine knows how the origin is, and what a refresh has found so far.
type Engine interface {
	Condition() mirror.Condition
	Refreshed() cache.Refreshed
}

// Options say what a Source gathers from. Store must be set; what else is not is null in
// the Status.
type Options struct {
	// Command is the running command; empty: the store is at rest, and only read.
	Command string
	// Version is the program's.
	Version string
	Store   Store
	// Engine is asked for the origin's condition: a mirror.Engine, or a process of several.
	Engine Engine
	// Prefetch says that every file is mirrored.
	Prefetch bool
	// Network returns how many connections are open, and how many requests were written.
	Network func() (connections, requests int64)
	// Away returns since when an object store gives nothing that the mirror is in, and why; zero: it does.
	Away func() (since time.Time, why error)
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Source gathers a Status. Its methods may be called from any goroutine. It must be closed,
// before the store.
type Source struct {
	o       Options
	started time.Time
	before  cache.Progress
	rates   rates
	reasons lazy[map[string]uint64]
	disk    lazy[uint64]
	mount   atomic.Pointer[mounted]
	cancel  context.CancelFunc
	wg      sync.WaitGroup

	mu struct {
		sync.Mutex
		closed bool      // the store is not read any more
		state  State     // as it was set
		since  time.Time // when work began, zero: none is under way
		active time.Duration
		err    error
		errAt  time.Time
	}
}

// mounted is a mount and where it is.
type mounted struct {
	dir   string
	stats func() fs.Stats
}

// New returns a Source. It notes the counts each second until it is closed.
func New(o Options) *Source {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Source{o: o, started: o.Now(), before: o.Store.Progress()}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.reasons.ctx, s.reasons.wg = ctx, &s.wg
	s.reasons.find = func(ctx context.Context) (map[string]uint64, error) { return countFailures(ctx, o.Store) }
	s.disk.ctx, s.disk.wg = ctx, &s.wg
	s.disk.find = func(ctx context.Context) (uint64, error) { return diskUsage(ctx, o.Store.Dir()) }
	s.mu.state = Starting
	if o.Command != "" {
		s.rates.add(s.sample(s.before))
		s.wg.Go(func() { s.note(ctx) })
	}
	return s
}

// note notes the counts until ctx ends.
func (s *Source) note(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.rates.add(s.sample(s.o.Store.Progress()))
		}
	}
}

func (s *Source) sample(p cache.Progress) sample {
	if own, ok := s.o.Store.(runner); ok {
		p = own.Since(p)
	}
	c := sample{at: s.o.Now(), names: p.Files, fetched: p.Fetched, bytes: p.Bytes}
	if s.o.Engine != nil {
		r := s.o.Engine.Refreshed()
		c.looked = r.Listed + r.Reviewed
	}
	return c
}

// Close ends what runs in the background, and waits for who reads the store. A Source that is
// closed still says its Status.
func (s *Source) Close() error {
	s.cancel()
	s.mu.Lock()
	s.mu.closed = true
	s.mu.Unlock()
	s.reasons.close()
	s.disk.close()
	s.wg.Wait()
	return nil
}

// begin registers one who reads the store, for Close to wait for; false: it is closed.
func (s *Source) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return false
	}
	s.wg.Add(1)
	return true
}

// Mounted notes where the store is mounted, and what counts the mount's requests.
func (s *Source) Mounted(dir string, stats func() fs.Stats) { s.mount.Store(&mounted{dir, stats}) }

// Set notes what goes on from now on. Listing, Mirroring, Refreshing and Verifying are work,
// of which the time is counted.
func (s *Source) Set(state State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	if !s.mu.since.IsZero() {
		s.mu.active += now.Sub(s.mu.since)
		s.mu.since = time.Time{}
	}
	switch state {
	case Listing, Mirroring, Refreshing, Verifying:
		s.mu.since = now
		s.rates.restart()
		s.rates.add(s.sample(s.o.Store.Progress()))
	}
	s.mu.state = state
}

// Fail notes an error that ended what went on, or holds it up.
func (s *Source) Fail(err error) {
	s.Set(Failed)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.err, s.mu.errAt = err, s.o.Now()
}

// Active is how long there was work so far.
func (s *Source) Active() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.since.IsZero() {
		return s.mu.active
	}
	return s.mu.active + s.o.Now().Sub(s.mu.since)
}

// Status gathers what is known now. It takes some microseconds, and the first one up to
// half a second where the store is large.
func (s *Source) Status() Status { return s.gather(s.disk.get, s.reasons.get) }

// Whole is Status that waits, until ctx ends, for what has to be searched for.
func (s *Source) Whole(ctx context.Context) Status {
	return s.gather(
		func(now time.Time) *uint64 { return s.disk.wait(ctx, now) },
		func(now time.Time) *map[string]uint64 { return s.reasons.wait(ctx, now) })
}

func (s *Source) gather(disk func(time.Time) *uint64, reasons func(time.Time) *map[string]uint64) Status {
	st := s.Quick()
	now := s.o.Now()
	st.DiskBytes = disk(now)
	if st.Failed > 0 {
		if counts := reasons(now); counts != nil {
			st.FailedByReason = *counts
		}
	}
	if free, err := s.o.Store.Free(); err == nil {
		st.DiskFreeBytes = &free
	}
	return st
}

// Quick is Status without what has to be searched for.
func (s *Source) Quick() Status {
	p, now := s.o.Store.Progress(), s.o.Now()
	st := Status{
		SchemaVersion: SchemaVersion, Time: now.UTC(), Version: s.o.Version,
		Origin: s.o.Store.Origin(), Store: s.o.Store.Dir(), Prefetch: s.o.Prefetch,
		ListingComplete: p.ListingComplete,
		Listed:          p.Files, Fetched: p.Fetched, Failed: p.Failed, Gone: p.Gone, Skipped: p.Skipped, Directories: p.Dirs,
		Pending:      p.Files - min(p.Files, p.Fetched+p.Gone+p.Failed),
		ContentBytes: p.Bytes,
	}
	if p.ListedAt != 0 {
		st.ListedAt = new(time.Unix(p.ListedAt, 0).UTC())
	}
	if p.Failed == 0 {
		st.FailedByReason = map[string]uint64{}
	}
	if m := s.mount.Load(); m != nil {
		st.Mountpoint, st.Mount = &m.dir, mountOf(m.stats())
	}
	s.network(&st)
	if s.o.Away != nil {
		if since, why := s.o.Away(); !since.IsZero() && why != nil {
			st.LastError, st.LastErrorAt = new("the object store is away: "+why.Error()), new(since.UTC())
		}
	}
	s.mu.Lock()
	state, err, errAt := s.mu.state, s.mu.err, s.mu.errAt
	s.mu.Unlock()
	if err != nil && (st.LastErrorAt == nil || errAt.After(*st.LastErrorAt)) {
		st.LastError, st.LastErrorAt = new(err.Error()), new(errAt.UTC())
	}
	st.State = s.stateOf(state, &st, &p)
	if s.o.Command != "" {
		s.run(&st, &p, now)
	}
	return st
}

// network fills what is known of the origin.
func (s *Source) network(st *Status) {
	if s.o.Network != nil {
		open, requests := s.o.Network()
		st.Connections, st.Requests = new(uint64(max(open, 0))), new(uint64(max(requests, 0)))
	}
	if s.o.Engine == nil {
		return
	}
	c := s.o.Engine.Condition()
	if c.Reach != mirror.ReachUnknown {
		st.OriginUp = new(c.Reach == mirror.ReachUp)
	}
	if c.LastError != nil {
		st.LastError, st.LastErrorAt = new(c.LastError.Error()), new(c.LastErrorAt.UTC())
	}
	if !c.ThrottledUntil.IsZero() {
		st.ThrottledUntil = new(c.ThrottledUntil.UTC())
	}
	st.Slowed, st.ConnectionsLimit = c.Slowed, new(uint64(c.Connections))
	if r := s.o.Engine.Refreshed(); r != (cache.Refreshed{}) {
		st.Refresh = &Refreshed{Listed: r.Listed, Compared: r.Reviewed, New: r.New, Changed: r.Changed, Removed: r.Removed, Returned: r.Returned, Kept: r.Kept}
	}
}

// stateOf is the state that was set, or what keeps it from going on.
func (s *Source) stateOf(state State, st *Status, p *cache.Progress) State {
	switch {
	case s.o.Command == "" && p.Complete():
		return Complete
	case s.o.Command == "":
		return Stopped
	case state != Listing && state != Mirroring && state != Refreshing:
		return state
	case s.o.Store.Short():
		return NoRoom
	case st.OriginUp != nil && !*st.OriginUp:
		return NoOrigin
	}
	return state
}

// run fills what is of the running process alone.
func (s *Source) run(st *Status, p *cache.Progress, now time.Time) {
	st.PID, st.Command, st.StartedAt = new(os.Getpid()), new(s.o.Command), new(s.started.UTC())
	st.SecondsElapsed = new(uint64(max(now.Sub(s.started), 0).Seconds()))
	active := s.Active().Seconds()
	st.SecondsActive = new(uint64(max(active, 0)))
	st.RunFiles = new(p.Fetched - min(p.Fetched, s.before.Fetched))
	st.RunBytes = new(p.Bytes - min(p.Bytes, s.before.Bytes))
	if own, ok := s.o.Store.(runner); ok {
		st.RunFiles, st.RunBytes = own.Run()
	}
	if active > 0 {
		st.AverageFilesPerSecond = perSecond(*st.RunFiles, active)
		st.AverageBytesPerSecond = perSecond(*st.RunBytes, active)
	}
	last := s.sample(*p)
	if delta, seconds, ok := s.rates.over(last, rateOver); ok {
		st.NamesPerSecond = perSecond(delta.names, seconds)
		st.FilesPerSecond = perSecond(delta.fetched, seconds)
		st.BytesPerSecond = perSecond(delta.bytes, seconds)
		if st.Refresh != nil {
			st.Refresh.PerSecond = perSecond(delta.looked, seconds)
		}
	}
	if delta, seconds, ok := s.rates.over(last, remainingOver); ok && st.State == Mirroring && p.ListingComplete && delta.fetched > 0 {
		st.SecondsRemaining = new(uint64(float64(st.Pending) / (float64(delta.fetched) / seconds)))
	}
}
