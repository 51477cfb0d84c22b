// Package histogram counts durations in buckets, without a lock and without an
// allocation. It is what measures inside of fs and mirror, which know nothing of who
// reads the counts: a collector of metrics, by Snapshot.
package histogram

import (
	"sync/atomic"
	"time"
)

// Bounds are the upper bounds of the buckets, each included in its own: 1, 2.5 and 5 of
// every power of ten, from 1 µs for what comes from memory to 50 s for what waits for
// an origin. What took longer is in a bucket of its own.
var Bounds = [...]time.Duration{
	1 * time.Microsecond, 2500 * time.Nanosecond, 5 * time.Microsecond,
	10 * time.Microsecond, 25 * time.Microsecond, 50 * time.Microsecond,
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	1 * time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	1 * time.Second, 2500 * time.Millisecond, 5 * time.Second,
	10 * time.Second, 25 * time.Second, 50 * time.Second,
}

// Histogram counts durations. Its zero value is empty; its methods may be called from
// any goroutine.
type Histogram struct {
	buckets [len(Bounds) + 1]atomic.Uint64
	sum     atomic.Int64 // nanoseconds
}

// Observe counts one duration; one below 0, of a clock that was set back, as 0.
func (h *Histogram) Observe(d time.Duration) {
	d = max(d, 0)
	i := 0
	for i < len(Bounds) && d > Bounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.sum.Add(int64(d))
}

// Snapshot is what a Histogram has counted.
type Snapshot struct {
	// Count is how many durations there were, and Sum what they come to.
	Count uint64
	Sum   time.Duration
	// Upto is, for each of Bounds, how many were not longer.
	Upto [len(Bounds)]uint64
}

// Snapshot returns the counts. Of durations that are observed meanwhile some may be in
// it; Count always is that of its buckets.
func (h *Histogram) Snapshot() Snapshot {
	s := Snapshot{Sum: time.Duration(h.sum.Load())}
	for i := range h.buckets {
		s.Count += h.buckets[i].Load()
		if i < len(Bounds) {
			s.Upto[i] = s.Count
		}
	}
	return s
}
