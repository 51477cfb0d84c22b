package wire

import (
	"sync/atomic"
	"time"
)

const (
	// roundBytes is how much of bodies a round should bring: what is not proven
	// is held in memory, and is lost with a connection that is cut.
	roundBytes = 1 << 20
	// firstSpan and mostSpan bound the requests of a round, and spanGrowth how
	// quickly the one becomes the other.
	firstSpan  = 128
	mostSpan   = 4096
	spanGrowth = 4
)

// span is how many requests a round has: as many as the rounds before say will
// bring roundBytes, and not take longer than Timeouts.Round.
type span struct{ n atomic.Int64 }

func (s *span) init() { s.n.Store(firstSpan) }

func (s *span) get() int { return int(s.n.Load()) }

// went notes a round of n requests that brought that many bytes of bodies.
func (s *span) went(n int, bytes int64, took, most time.Duration) {
	span := s.n.Load()
	next := min(span*spanGrowth, mostSpan)
	if bytes > 0 {
		next = min(next, int64(n)*roundBytes/bytes)
	}
	if took > 0 {
		next = min(next, int64(float64(n)*float64(most)/float64(took)))
	}
	if int64(n) < span && next >= int64(n) {
		return // too short a round to say anything about long ones
	}
	if next = max(next, 1); next != span {
		s.n.Store(next)
	}
}

// full notes that the bodies of n requests were too many bytes to be held.
func (s *span) full(n int) { s.n.Store(int64(max(1, min(n/2, s.get())))) }
