package mirror

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Retry is why a file, or a page, has to be asked for again.
type Retry uint8

// The reasons, by what the origin answered last.
const (
	// RetryThrottled is a 429, or a 503 with Retry-After.
	RetryThrottled Retry = iota
	// RetryUnavailable is any other status that may pass: 408, 425 and 5xx.
	RetryUnavailable
	// RetryNotThere is a 404 or 410 that is not believed yet.
	RetryNotThere
	// RetryRefused is any other status.
	RetryRefused
	// RetryConnection is no answer, or one that broke off or is no HTTP.
	RetryConnection
	// RetryChecksum is a content that does not come to its checksum.
	RetryChecksum
	// RetryOther is anything else.
	RetryOther
	// Retries is how many reasons there are.
	Retries
)

var retryNames = [Retries]string{"throttled", "unavailable", "not_there", "refused", "connection", "checksum", "other"}

func (r Retry) String() string { return retryNames[r] }

func retryOf(err error) Retry {
	status, ok := errors.AsType[*StatusError](err)
	switch {
	case throttling(err):
		return RetryThrottled
	case errors.Is(err, ErrGone):
		return RetryNotThere
	case ok && status.Temporary():
		return RetryUnavailable
	case ok:
		return RetryRefused
	case errors.Is(err, ErrChecksum):
		return RetryChecksum
	case Temporary(err):
		return RetryConnection
	}
	return RetryOther
}

// Counts are what an engine has done since it was opened.
type Counts struct {
	// Listed are the names of the pages that came, those included that are in the
	// store already.
	Listed int64
	// Files are the contents that came, for a mirror or for readers, and Bytes what
	// they are long.
	Files, Bytes int64
	// Retries are files and pages that have to be asked for again, by why.
	Retries [Retries]int64
	// Throttled is for how long something was not asked for because the origin
	// answered RetryThrottled.
	Throttled time.Duration
	// Slowdowns is how often the engine has slowed down because the origin answered so; not
	// because of Slow.
	Slowdowns int64
	// LeftAlone is for how long from now on nothing is asked for because the origin answered so;
	// not because of Pause.
	LeftAlone time.Duration
}

// counters are the Counts as they grow. They are added to once a batch.
type counters struct {
	listed, files, bytes atomic.Int64
	retries              [Retries]atomic.Int64
}

// Counts returns them.
func (e *Engine) Counts() Counts {
	now := time.Now()
	n := Counts{
		Listed: e.counts.listed.Load(), Files: e.counts.files.Load(), Bytes: e.counts.bytes.Load(),
		Throttled: e.pace.waited.elapsed(now), Slowdowns: e.pace.slowdowns(), LeftAlone: e.pace.leftAlone(now),
	}
	for r := range n.Retries {
		n.Retries[r] = e.counts.retries[r].Load()
	}
	return n
}

// again notes that files or a page have to be asked for again because of err.
func (c *counters) again(err error, n int) { c.retries[retryOf(err)].Add(int64(n)) }

// came notes contents.
func (c *counters) came(files int, bytes int64) {
	if files != 0 {
		c.files.Add(int64(files))
	}
	if bytes != 0 {
		c.bytes.Add(bytes)
	}
}

// stopwatch is how long at least one of several has been waiting. While many wait at the
// same time, that is the time once.
type stopwatch struct {
	mu struct {
		sync.Mutex
		waiting int
		since   time.Time
		before  time.Duration
	}
}

// start begins a wait, and returns what ends it.
func (w *stopwatch) start() (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.waiting++; w.mu.waiting == 1 {
		w.mu.since = time.Now()
	}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.mu.waiting--; w.mu.waiting == 0 {
			w.mu.before += time.Since(w.mu.since)
		}
	}
}

// elapsed is the time until now.
func (w *stopwatch) elapsed(now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.waiting == 0 {
		return w.mu.before
	}
	return w.mu.before + max(0, now.Sub(w.mu.since))
}
