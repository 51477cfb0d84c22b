package wiretest

import (
	"bufio"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"
)

// Server runs a function for each connection.
type Server struct {
	ln net.Listener
	wg sync.WaitGroup
	mu struct {
		sync.Mutex
		conns   map[net.Conn]bool
		dials   int
		targets []string // in order
	}
}

// Serve starts a server on loopback. It ends with the test.
func Serve(tb testing.TB, serve func(c *Conn)) *Server {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	return ServeOn(tb, ln, serve)
}

// ServeOn is Serve on a listener of the test's.
func ServeOn(tb testing.TB, ln net.Listener, serve func(c *Conn)) *Server {
	s := &Server{ln: ln}
	s.mu.conns = map[net.Conn]bool{}
	s.wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			c := s.add(nc)
			s.wg.Go(func() {
				defer nc.Close()
				serve(c)
			})
		}
	})
	tb.Cleanup(s.close)
	return s
}

func (s *Server) add(nc net.Conn) *Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &Conn{Conn: nc, Buf: bufio.NewReaderSize(nc, readBuffer), N: s.mu.dials, s: s}
	s.mu.conns[nc] = true
	s.mu.dials++
	return c
}

func (s *Server) close() {
	_ = s.ln.Close()
	s.mu.Lock()
	for nc := range s.mu.conns {
		nc.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// Go runs f beside the connections; the end of the test waits for it.
func (s *Server) Go(f func()) { s.wg.Go(f) }

// Vanish has the server take no more connections.
func (s *Server) Vanish() { _ = s.ln.Close() }

// Addr is host:port.
func (s *Server) Addr() string { return s.ln.Addr().String() }

// URL is where the server is, without a slash at its end.
func (s *Server) URL() string { return "http://" + s.Addr() }

// Base is URL, parsed.
func (s *Server) Base() *url.URL { return &url.URL{Scheme: "http", Host: s.Addr()} }

// Dials is the number of connections so far.
func (s *Server) Dials() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.dials
}

// Targets are those of the requests that were read, in order.
func (s *Server) Targets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mu.targets)
}

// Asked is how often a target was read.
func (s *Server) Asked(target string) (n int) {
	for _, asked := range s.Targets() {
		if asked == target {
			n++
		}
	}
	return n
}

// Most is how often the target was read that was read most often, of those for
// which of is true.
func (s *Server) Most(of func(target string) bool) (most int) {
	counts := map[string]int{}
	for _, target := range s.Targets() {
		if of(target) {
			counts[target]++
			most = max(most, counts[target])
		}
	}
	return most
}

// Forget sets the counts to zero. Connections go on with their numbers.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.dials, s.mu.targets = 0, nil
}
