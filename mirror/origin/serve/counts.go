package serve

import (
	"maps"
	"sync/atomic"
)

// Counts is what a server has done since it was opened.
type Counts struct {
	// Lists and Gets are the requests for a page and for a file, well-formed
	// and with the right token, whatever the response.
	Lists, Gets int64
	// Conns is how many connections were accepted, OpenConns how many of them
	// are open.
	Conns, OpenConns int64
	// BytesIn and BytesOut went over the connections. A client may have
	// read bytes a moment before they are counted.
	BytesIn, BytesOut int64
	// Status is how many responses had each status; 0 stands for one outside
	// 100 to 599. A Writer counts its own.
	Status map[int]int64
}

// connCounts are one connection's counters. Each connection has its own, so
// that no two goroutines write to the same cache line.
type connCounts struct {
	lists, gets       atomic.Int64
	bytesIn, bytesOut atomic.Int64
	status            [600]atomic.Int64
}

// responded counts a response with that status.
func (c *connCounts) responded(status int) {
	if status < 100 || status >= len(c.status) {
		status = 0
	}
	c.status[status].Add(1)
}

// addTo adds the counters to sum.
func (c *connCounts) addTo(sum *Counts) {
	sum.Lists += c.lists.Load()
	sum.Gets += c.gets.Load()
	sum.BytesIn += c.bytesIn.Load()
	sum.BytesOut += c.bytesOut.Load()
	for status := range c.status {
		if n := c.status[status].Load(); n > 0 {
			sum.Status[status] += n
		}
	}
}

// Counts returns what the server has done until now.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := s.mu.past
	sum.Status = maps.Clone(sum.Status)
	sum.OpenConns = int64(len(s.mu.conns))
	for c := range s.mu.conns {
		c.counts.addTo(&sum)
	}
	return sum
}
