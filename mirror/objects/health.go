package objects

import (
	"sync"
	"time"

	"github.com/rs/zerolog"
)

const (
	// tellAfter is how long a store is away before the log says so: single refusals are usual.
	tellAfter = 3 * time.Second
	// tellEvery is how often it says so at most.
	tellEvery = 30 * time.Second
)

// health is whether a store answers, for all who use it at once. One that answers who reads may take
// nothing of who writes all the same, as where it is full.
type health struct {
	log zerolog.Logger
	mu  struct {
		sync.Mutex
		// reads and writes are since when nothing has come of those; zero: all is well.
		reads, writes time.Time
		failing       int // writes that are tried again
		why           error
		told          time.Time // when the log last said so
		said          bool      // it has not said yet that it is over
	}
}

// bad is a try that failed, or that waits, and began then.
func (h *health) bad(write bool, from time.Time, why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	since := &h.mu.reads
	if write {
		since = &h.mu.writes
	}
	now := time.Now()
	if h.mu.why = why; since.IsZero() {
		*since = from
	}
	if now.Sub(*since) < tellAfter || !h.mu.told.IsZero() && now.Sub(h.mu.told) < tellEvery {
		return
	}
	h.mu.told, h.mu.said = now, true
	h.log.Warn().Err(why).Stringer("for", now.Sub(*since).Round(time.Second)).Msg("the object store is away; waiting for it")
}

// good is one that brought something.
func (h *health) good(write bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	since := h.sinceLocked()
	if since.IsZero() {
		return
	}
	h.mu.reads = time.Time{}
	if write {
		h.mu.writes = time.Time{}
	}
	if !h.mu.writes.IsZero() {
		return
	}
	if h.mu.said {
		h.log.Info().Stringer("after", time.Since(since).Round(time.Second)).Msg("the object store is back")
	}
	h.mu.why, h.mu.said = nil, false
}

// failing counts a write that is tried again, and with -1 one that is no more. Where there is none
// nobody knows how it would end.
func (h *health) failing(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.failing += n
	if h.mu.failing > 0 || h.mu.writes.IsZero() {
		return
	}
	if h.mu.writes = (time.Time{}); h.mu.reads.IsZero() {
		h.mu.why, h.mu.said = nil, false
	}
}

func (h *health) state() (since time.Time, why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sinceLocked(), h.mu.why
}

// sinceLocked is since when it is not well.
func (h *health) sinceLocked() time.Time {
	if r, w := h.mu.reads, h.mu.writes; r.IsZero() || !w.IsZero() && w.Before(r) {
		return w
	}
	return h.mu.reads
}
