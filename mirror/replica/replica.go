package replica

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/segments"
)

// Replica is a mirror in an object store as a mount reads it: Names and Contents are what
// package fs needs. Its methods may be called from any goroutine.
type Replica struct {
	opts   Options
	store  *cache.Store
	id     string // of the mirror
	origin string
	dir    string // what of ours is in the local store's folder

	catalog atomic.Pointer[catalog]
	// polling is held by who changes it. indexSize is how long INDEX is of what counts.
	polling   *semaphore.Weighted
	indexSize int64
	// lacking is how many segments' names are not here.
	lacking atomic.Int64
	// news is signalled when the catalog has changed, and when all names have come.
	news struct{ names, contents chan struct{} }

	flights singleflight.Group
	// slots bound the downloads: a blob may take long, and keeps no table from coming, and
	// tables of directories are short and many. bytes bounds what tables take on the disk.
	slots struct{ tables, dirs, blobs *semaphore.Weighted }
	bytes *semaphore.Weighted
	// arrived are the directories that wait to be ingested.
	arrived arrivedDirs
	// underWay is how long the tables are that are being brought, in bytes.
	underWay atomic.Int64
	// demanded is how many readers wait for a download; idle is signalled when that is none.
	demanded atomic.Int64
	idle     chan struct{}
	space    space
	blobs    blobs
	// bound is Options.CacheSize, which tests change.
	bound  atomic.Int64
	counts counters

	log     zerolog.Logger
	sampled zerolog.Logger

	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup
	mu     struct {
		sync.Mutex
		closed bool
	}
}

// ours is the folder of the local store that has what a replica keeps beside it.
const ours = "segments"

// Open opens the replica in o.Store.Dir, or makes one there: it reads which segments the mirror
// has, and brings none. It must be closed. Where the folder has a replica already, it is
// opened also while the object store is away. The errors are those of cache.Open and of
// segments.Open, ErrOtherMirror, or the object store's.
func Open(ctx context.Context, o Options) (*Replica, error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	r := &Replica{
		opts: o, dir: filepath.Join(o.Store.Dir, ours), log: o.Log,
		idle: make(chan struct{}, 1), bytes: semaphore.NewWeighted(inFlight), polling: semaphore.NewWeighted(1),
		sampled: o.Log.Sample(&zerolog.BurstSampler{Burst: logBurst, Period: logPeriod}),
	}
	r.slots.dirs, r.arrived.bytes = semaphore.NewWeighted(dirDownloads), semaphore.NewWeighted(arrivedBytes)
	r.space.making = make(chan struct{}, 1)
	r.slots.tables, r.slots.blobs = semaphore.NewWeighted(downloads), semaphore.NewWeighted(downloads)
	r.bound.Store(o.CacheSize)
	r.news.names, r.news.contents = make(chan struct{}, 1), make(chan struct{}, 1)
	r.ctx, r.cancel = context.WithCancelCause(context.Background())
	if err := r.open(ctx); err != nil {
		r.cancel(ErrClosed)
		if r.store != nil {
			err = errors.Join(err, r.store.Close())
		}
		return nil, err
	}
	r.spawn("follow", r.follow)
	if !o.quiet {
		r.spawn("names", r.fetchNames)
	}
	r.spawn("space", r.keepSpace)
	if o.PrefetchAll {
		r.spawn("contents", r.fetchContents)
	}
	return r, nil
}

func (r *Replica) open(ctx context.Context) error {
	known, err := loadIndex(r.dir)
	if err != nil {
		return err
	}
	m, err := r.mirror(ctx, known.kept())
	if err != nil {
		return err
	}
	store := r.opts.Store
	store.Segments = true
	if m != nil {
		store.Origin = Identity(m)
	}
	if r.store, err = cache.Open(store); err != nil {
		if m != nil && errors.Is(err, cache.ErrOrigin) {
			err = &otherMirrorError{store.Dir, m.ID, err}
		}
		return err
	}
	if r.id, r.origin, err = parseIdentity(r.store.Origin()); err != nil {
		return err
	}
	if err := r.makeFolder(); err != nil {
		return err
	}
	// Another process may have had the store until it was opened, and have remembered more.
	if !known.still(r.dir) {
		if known, err = loadIndex(r.dir); err != nil {
			return err
		}
	}
	whole, err := r.restore(known)
	switch {
	case err != nil:
		return err
	case !known.kept() || !whole:
		return r.learn(ctx)
	case m == nil:
		return nil // the object store is away
	}
	ctx, stop := context.WithTimeout(ctx, firstPoll)
	defer stop()
	if err := r.once(ctx, r.poll); err != nil {
		r.log.Warn().Err(err).Msg("what is new in the mirror is not known; serving what is here")
	}
	return nil
}

// mirror reads what the mirror is. Where a replica is here already it need not be known, and
// is nil while the object store is away.
func (r *Replica) mirror(ctx context.Context, kept bool) (m *segments.Mirror, err error) {
	var certain error // which no other try changes
	try := func(ctx context.Context, from *patience) error {
		found, err := segments.Open(ctx, from, "", time.Time{})
		switch {
		case errors.Is(err, segments.ErrNone), errors.Is(err, segments.ErrFormat), errors.Is(err, segments.ErrBad):
			certain, err = err, nil
		case err == nil:
			m = &found
		}
		return err
	}
	if kept {
		ctx, stop := context.WithTimeout(ctx, firstPoll)
		defer stop()
		err = r.once(ctx, try)
	} else {
		err = r.retry(ctx, try)
	}
	if err = errors.Join(certain, err); err == nil || !kept || errors.Is(err, segments.ErrFormat) {
		return m, err
	}
	r.log.Warn().Err(err).Msg("the mirror cannot be read now; serving what is here")
	return nil, nil
}

// makeFolder makes the folder of ours, and clears what a crash has left half downloaded.
func (r *Replica) makeFolder() error {
	if err := os.RemoveAll(r.temporary()); err != nil {
		return fmt.Errorf("clear %s: %w", r.temporary(), err)
	}
	if err := os.MkdirAll(r.temporary(), 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	return nil
}

// temporary is the folder of what is being downloaded.
func (r *Replica) temporary() string { return filepath.Join(r.dir, "tmp") }

// Close ends what is under way, waits for it, and closes the local store. It returns soon
// even while the object store hangs, or the local disk is full.
func (r *Replica) Close() error {
	r.mu.Lock()
	closed := r.mu.closed
	r.mu.closed = true
	r.mu.Unlock()
	if closed {
		return nil
	}
	r.cancel(ErrClosed)
	late := time.AfterFunc(closePatience, r.store.GiveUp)
	defer late.Stop()
	r.wg.Wait()
	return errors.Join(r.saveRecency(), r.store.Close())
}

// begin registers work that Close waits for; false: the replica is closed.
func (r *Replica) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.closed {
		return false
	}
	r.wg.Add(1)
	return true
}

// spawn starts a goroutine that ends with the replica.
func (r *Replica) spawn(role string, fn func(context.Context)) {
	if !r.begin() {
		return
	}
	go func() {
		defer r.wg.Done()
		pprof.Do(r.ctx, pprof.Labels("motefs", "replica."+role), fn)
	}()
}

// Store is the local store, to be asked how it is; a mount reads Names.
func (r *Replica) Store() *cache.Store { return r.store }

// ID is the mirror's, and Origin what it is a mirror of.
func (r *Replica) ID() string { return r.id }

// Origin is what the mirror is of, as cache.Options.Origin.
func (r *Replica) Origin() string { return r.origin }

// tell signals news.
func (r *Replica) tell() {
	announce(r.news.names)
	announce(r.news.contents)
}

// announce tells one goroutine of something new.
func announce(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
