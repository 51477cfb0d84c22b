package origintest

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Counts is what a server has done since it was opened.
type Counts struct {
	// Lists and Gets are the requests for a page and for a file, well-formed
	// and with the right token, however they were answered.
	Lists, Gets int64
	// Conns is how many connections were accepted, OpenConns how many of them
	// are open.
	Conns, OpenConns int64
	// BytesIn and BytesOut went over the connections. A client may have
	// read bytes a moment before they are counted.
	BytesIn, BytesOut int64
	// Status is how many answers had each status; 0 stands for one outside
	// 100 to 599. An answer that a fault made without a status is in none.
	Status map[int]int64
}

// connCounts are one connection's counters. Each connection has its own, so
// that no two goroutines write to the same cache line.
type connCounts struct {
	lists, gets       atomic.Int64
	bytesIn, bytesOut atomic.Int64
	status            [600]atomic.Int64
}

// answered counts an answer with that status.
func (c *connCounts) answered(status int) {
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

// nameCounts counts gets by name.
type nameCounts struct {
	mu struct {
		sync.Mutex
		gets map[string]int
	}
}

// newNameCounts returns a counter of names.
func newNameCounts() *nameCounts {
	n := &nameCounts{}
	n.mu.gets = make(map[string]int)
	return n
}

// add counts one get of name.
func (n *nameCounts) add(name []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.gets[string(name)]++
}

// Gets returns how often name was asked for. It needs Options.CountNames.
func (s *Server) Gets(name string) int {
	if s.names == nil {
		return 0
	}
	s.names.mu.Lock()
	defer s.names.mu.Unlock()
	return s.names.mu.gets[name]
}

// Names returns how many different names were asked for. It needs
// Options.CountNames.
func (s *Server) Names() int {
	if s.names == nil {
		return 0
	}
	s.names.mu.Lock()
	defer s.names.mu.Unlock()
	return len(s.names.mu.gets)
}
