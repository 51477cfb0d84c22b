package mirror

import (
	"sync/atomic"
	"time"
)

const (
	// leastShare is the fewest files that a batch has on purpose: its end costs a request
	// or two.
	leastShare = 32
	// firstShare is what it has where nothing is known yet: enough for the client to try
	// whether the server takes requests ahead.
	firstShare = 64
	// shareTime is how long a batch should take, and shareTimeAhead where requests are
	// written ahead: there it is no shorter for being small if the server is far away.
	shareTime, shareTimeAhead = time.Second, 4 * time.Second
)

// share is how many files a batch has, at most batchSize: what a connection did lately in
// such a time. batchSize would take minutes where a server is far away and gets one request
// after the other, in which the other connections may have nothing to do.
type share struct {
	ahead func() bool // requests are written ahead
	n     atomic.Int64
}

func newShare(f Fetcher) *share {
	s := &share{ahead: func() bool { return false }}
	if p, ok := f.(Pipeliner); ok {
		s.ahead = p.Pipelines
	}
	s.n.Store(firstShare)
	return s
}

func (s *share) get() int { return int(s.n.Load()) }

// took notes that so many files took a connection so long.
func (s *share) took(files int, d time.Duration) {
	last, most := s.n.Load(), shareTime
	if s.ahead() {
		most = shareTimeAhead
	}
	next := min(int64(float64(files)*float64(most)/float64(max(d, 1))), 2*last, batchSize)
	if int64(files) < last && next >= int64(files) {
		return // too few to say anything about many
	}
	if next = max(next, leastShare); next != last { // a cache line that everyone reads
		s.n.Store(next)
	}
}
