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

// health is whether a store answers, for all who use it at once.
type health struct {
	log zerolog.Logger
	mu  struct {
		sync.Mutex
		since time.Time // of the first failure after which nothing has come; zero: all is well
		why   error
		told  time.Time // when the log last said so
		said  bool      // it has not said yet that it is over
	}
}

// bad is a try that failed.
func (h *health) bad(why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if h.mu.why = why; h.mu.since.IsZero() {
		h.mu.since = now
	}
	if now.Sub(h.mu.since) < tellAfter || !h.mu.told.IsZero() && now.Sub(h.mu.told) < tellEvery {
		return
	}
	h.mu.told, h.mu.said = now, true
	h.log.Warn().Err(why).Stringer("for", now.Sub(h.mu.since).Round(time.Second)).Msg("the object store is away; waiting for it")
}

// good is one that brought something.
func (h *health) good() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.since.IsZero() {
		return
	}
	if h.mu.said {
		h.log.Info().Stringer("after", time.Since(h.mu.since).Round(time.Second)).Msg("the object store is back")
	}
	h.mu.since, h.mu.why, h.mu.said = time.Time{}, nil, false
}

func (h *health) state() (since time.Time, why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mu.since, h.mu.why
}
