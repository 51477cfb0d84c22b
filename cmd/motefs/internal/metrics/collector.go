package metrics

import (
	"strconv"
	"sync"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/motefs/internal/status"
	"github.com/motefs/motefs/fs"
	"github.com/motefs/motefs/histogram"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire"
	"github.com/prometheus/client_golang/prometheus"
)

// Sources are what a Collector reads.
type Sources struct {
	Store   *cache.Store         // nil: there is none here
	Counts  func() mirror.Counts // nil: nothing is listed or fetched
	Traffic *wire.Traffic
	Status  *status.Source
}

// Collector is a prometheus.Collector. Its zero value collects nothing; its methods may be
// called from any goroutine.
type Collector struct {
	mu struct {
		sync.RWMutex
		from  *Sources // nil: nothing is read
		mount *fs.Mount
		last  []prometheus.Metric // what is collected where nothing is read
	}
}

// Attach has the Collector read from now on.
func (c *Collector) Attach(from Sources) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.from = &from
}

// Mounted has it read what a mount counts, too.
func (c *Collector) Mounted(m *fs.Mount) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.mount = m
}

// Detach has it read once more, and then collect what it read. When it returns the sources
// may be closed.
func (c *Collector) Detach() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.from == nil {
		return
	}
	ch := make(chan prometheus.Metric)
	go func() {
		defer close(ch)
		c.readLocked(ch)
	}()
	for m := range ch {
		c.mu.last = append(c.mu.last, m)
	}
	c.mu.from, c.mu.mount = nil, nil
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector. Whoever takes the metrics from ch takes them
// into memory: it does not wait for who scrapes.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, m := range c.mu.last {
		ch <- m
	}
	if c.mu.from != nil {
		c.readLocked(ch)
	}
}

// readLocked reads the sources.
func (c *Collector) readLocked(ch chan<- prometheus.Metric) {
	to := emitter{ch}
	s := c.mu.from.Status.Status()
	to.content(c.mu.from.Store, &s)
	to.activity(c.mu.from, &s)
	if c.mu.from.Store != nil {
		to.database(c.mu.from.Store)
	}
	if c.mu.mount != nil {
		to.mount(c.mu.mount)
	}
}

// emitter makes metrics of numbers.
type emitter struct{ ch chan<- prometheus.Metric }

func (to emitter) gauge(d *prometheus.Desc, v float64, labels ...string) {
	to.ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (to emitter) counter(d *prometheus.Desc, v float64, labels ...string) {
	to.ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

func (to emitter) is(d *prometheus.Desc, yes bool, labels ...string) {
	v := 0.0
	if yes {
		v = 1
	}
	to.gauge(d, v, labels...)
}

// known emits a gauge, unless its value is not known.
func (to emitter) known(d *prometheus.Desc, v *uint64) {
	if v != nil {
		to.gauge(d, float64(*v))
	}
}

func (to emitter) histogram(d *prometheus.Desc, h histogram.Snapshot, labels ...string) {
	upto := make(map[float64]uint64, len(histogram.Bounds))
	for i, bound := range histogram.Bounds {
		upto[bound.Seconds()] = h.Upto[i]
	}
	to.ch <- prometheus.MustNewConstHistogram(d, h.Count, h.Sum.Seconds(), upto, labels...)
}

// content is what the store holds.
func (to emitter) content(store *cache.Store, s *status.Status) {
	to.gauge(files, float64(s.Fetched), "fetched")
	to.gauge(files, float64(s.Pending), "pending")
	to.gauge(files, float64(s.Failed), "failed")
	to.gauge(files, float64(s.Gone), "gone")
	for reason, n := range s.FailedByReason {
		to.gauge(failedFiles, float64(n), reason)
	}
	to.gauge(directories, float64(s.Directories))
	to.gauge(skippedNames, float64(s.Skipped))
	to.gauge(contentBytes, float64(s.ContentBytes))
	to.known(diskBytes, s.DiskBytes)
	to.known(diskFreeBytes, s.DiskFreeBytes)
	if store != nil {
		to.is(storeBroken, store.BrokenErr() != nil)
		to.is(storeDamaged, store.Damaged() != nil)
	}
	to.is(listingComplete, s.ListingComplete)
	listed := time.Time{}
	if s.ListedAt != nil {
		listed = *s.ListedAt
	}
	to.gauge(lastSuccess, seconds(listed))
}

// seconds is a time in seconds since 1970; 0 for none.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}

// states are what a process of a mount or a mirror may be doing.
var states = []status.State{
	status.Starting, status.Listing, status.Mirroring, status.Refreshing, status.Serving, status.Complete,
	status.NoOrigin, status.NoRoom, status.Failed, status.Stopped, status.Ended,
}

// activity is what goes on.
func (to emitter) activity(from *Sources, s *status.Status) {
	for _, st := range states {
		to.is(state, st == s.State, string(st))
	}
	if s.OriginUp != nil {
		to.is(originUp, *s.OriginUp)
	}
	to.known(connections, s.Connections)
	var n mirror.Counts
	if from.Counts != nil {
		n = from.Counts()
	}
	to.counter(listedNames, float64(n.Listed))
	to.counter(fetchedFiles, float64(n.Files))
	to.counter(fetchedBytes, float64(n.Bytes))
	to.counter(throttledSeconds, n.Throttled.Seconds())
	again := map[string]int64{}
	for r, count := range n.Retries {
		again[mirror.Retry(r).String()] += count
	}
	from.Traffic.EachAgain(func(reason string, count int64) { again[reason] += count })
	for reason, count := range again {
		to.counter(originRetries, float64(count), reason)
	}
	from.Traffic.EachRequests(func(op, code string, count int64) {
		to.counter(originRequests, float64(count), op, code)
	})
	for _, op := range []wire.Op{wire.List, wire.Get} {
		to.histogram(originDuration, from.Traffic.Took(op), op.String())
	}
}

// mount is what a mount is asked.
func (to emitter) mount(m *fs.Mount) {
	for _, r := range m.Requests() {
		if r.Asked {
			to.counter(fuseRequests, float64(r.Count), r.Op)
			to.histogram(fuseDuration, r.Took, r.Op)
		}
		for _, e := range r.Errors {
			to.counter(fuseErrors, float64(e.Count), r.Op, e.Errno)
		}
	}
	s := m.Stats()
	to.histogram(fuseWait, m.Misses())
	to.counter(fuseReadBytes, float64(s.ReadBytes))
	to.counter(fusePanics, float64(s.Panics))
}

// database is how the store's database is.
func (to emitter) database(store *cache.Store) {
	n, took := store.Stalls()
	to.counter(stalls, float64(n))
	to.counter(stalledSeconds, took.Seconds())
	d, ok := store.Database()
	if !ok {
		return
	}
	to.gauge(debtBytes, float64(d.Debt))
	to.counter(compactions, float64(d.Compactions))
	to.counter(failedCompactions, float64(d.FailedCompactions))
	to.gauge(compacting, float64(d.Compacting))
	to.counter(flushes, float64(d.Flushes))
	to.gauge(memtableBytes, float64(d.MemTableBytes))
	to.gauge(databaseBytes, float64(d.DiskBytes))
	to.gauge(cacheBytes, float64(d.CacheBytes))
	to.counter(cacheHits, float64(d.CacheHits))
	to.counter(cacheMisses, float64(d.CacheMisses))
	for i, level := range d.Levels {
		name := strconv.Itoa(i)
		to.gauge(levelTables, float64(level.Tables), name)
		to.gauge(levelBytes, float64(level.Bytes), name)
		to.gauge(levelSublevels, float64(level.Sublevels), name)
	}
}
