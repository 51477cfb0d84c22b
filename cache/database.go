package cache

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Database says how the store's database is: what a mirror's speed, and a reader's, hang
// on. Sizes are in bytes.
type Database struct {
	// DiskBytes is what its files take, those included that are about to be removed.
	DiskBytes uint64
	// MemTableBytes is what is in memory and not flushed, or being so.
	MemTableBytes uint64
	// Debt is how much has to be put together until no level is too large.
	Debt uint64
	// Flushes, Compactions and FailedCompactions are since the store was opened;
	// Compacting is how many are under way.
	Flushes, Compactions, FailedCompactions, Compacting int64
	// CacheBytes is what the cache of blocks holds; CacheHits and CacheMisses are since
	// the store was opened.
	CacheBytes, CacheHits, CacheMisses int64
	// Levels are the levels of its tables, the latest first.
	Levels [DatabaseLevels]DatabaseLevel
}

// DatabaseLevels is how many levels there are.
const DatabaseLevels = 7

// DatabaseLevel is a level of tables.
type DatabaseLevel struct {
	Tables, Bytes int64
	// Sublevels is how many tables of it a reader may have to look into.
	Sublevels int32
}

// databasePatience is how long Database waits for what it asks for.
const databasePatience = 200 * time.Millisecond

// databaseState is what is known of the database. One goroutine at a time asks it: it may
// hang, as while its disk is full.
type databaseState struct {
	mu struct {
		sync.Mutex
		asking chan struct{} // closed when the answer is there; nil: nobody asks
		known  Database
		ok     bool
		closed bool
	}
	stalls stalls
}

// Database returns how the database is. Where it does not say so at once, it is as it was
// when that was asked before; ok is false where that is nothing.
func (s *Store) Database() (d Database, ok bool) {
	st := &s.database
	st.mu.Lock()
	if st.mu.asking == nil && !st.mu.closed && s.BrokenErr() == nil {
		st.mu.asking = make(chan struct{})
		s.wg.Go(s.askDatabase)
	}
	asking := st.mu.asking
	st.mu.Unlock()
	if asking != nil {
		wait := time.NewTimer(databasePatience)
		defer wait.Stop()
		select {
		case <-asking:
		case <-wait.C:
		}
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.mu.known, st.mu.ok
}

func (s *Store) askDatabase() {
	found := databaseOf(s.db.Metrics())
	st := &s.database
	st.mu.Lock()
	defer st.mu.Unlock()
	st.mu.known, st.mu.ok = found, true
	close(st.mu.asking)
	st.mu.asking = nil
}

// close has nothing more be asked.
func (st *databaseState) close() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.mu.closed = true
}

func databaseOf(m *pebble.Metrics) Database {
	d := Database{
		DiskBytes: m.DiskSpaceUsage(), MemTableBytes: m.MemTable.Size, Debt: m.Compact.EstimatedDebt,
		Flushes: m.Flush.Count, Compactions: m.Compact.Count, FailedCompactions: m.Compact.FailedCount, Compacting: m.Compact.NumInProgress,
		CacheBytes: m.BlockCache.Size, CacheHits: m.BlockCache.Hits, CacheMisses: m.BlockCache.Misses,
	}
	for i := range m.Levels {
		d.Levels[i] = DatabaseLevel{Tables: m.Levels[i].TablesCount, Bytes: m.Levels[i].TablesSize, Sublevels: m.Levels[i].Sublevels}
	}
	return d
}

// stalls counts for how long the database has had writes wait.
type stalls struct {
	n      atomic.Int64
	began  atomic.Int64 // in nanoseconds since 1970; 0: none is under way
	before atomic.Int64 // nanoseconds of those that are over
}

func (t *stalls) begin(now time.Time) {
	t.n.Add(1)
	t.began.Store(now.UnixNano())
}

func (t *stalls) end(now time.Time) {
	if began := t.began.Swap(0); began != 0 {
		t.before.Add(max(0, now.UnixNano()-began))
	}
}

// Stalls returns how often the database had writes wait since the store was opened, for
// tables that lie over each other or memory that is not flushed, and for how long.
func (s *Store) Stalls() (n int64, took time.Duration) {
	t := &s.database.stalls
	took = time.Duration(t.before.Load())
	if began := t.began.Load(); began != 0 {
		took += max(0, time.Since(time.Unix(0, began)))
	}
	return t.n.Load(), took
}
