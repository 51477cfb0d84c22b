package origin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/motefs/motefs/mirror"
)

func TestPipelineOnOneConnection(t *testing.T) {
	s := serveRaw(t, echo)
	c := newClient(t, Options{BaseURL: s.url()})
	for _, n := range []int{0, 1, 2, 5000, 1, 700} {
		names := numbered(n)
		checkEcho(t, names, fetchAll(t, c, names...))
	}
	if s.dials() != 1 {
		t.Errorf("%d connections", s.dials())
	}
}

// TestKeepaliveRequests has an origin that closes after k answers, some with a
// word of warning and some without. Nothing answered is asked for again, and
// not much that was not.
func TestKeepaliveRequests(t *testing.T) {
	const k = 100
	for _, warned := range []bool{true, false} {
		t.Run(fmt.Sprintf("warned=%v", warned), func(t *testing.T) {
			s := serveRaw(t, func(c *rawConn) {
				for i := range k {
					target, ok := c.next()
					if !ok {
						return
					}
					if warned && i == k-1 {
						c.say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(target), target)
					} else {
						c.file(target)
					}
				}
				c.closeGently()
			})
			var written atomic.Int64
			c := newClient(t, Options{BaseURL: s.url(), Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				nc, err := new(net.Dialer).DialContext(ctx, network, addr)
				return &countingConn{nc, &written}, err
			}})
			names := numbered(2050)
			checkEcho(t, names, fetchAll(t, c, names...))
			s.mu.Lock()
			asked, most := len(s.mu.asked), 0
			counts := map[string]int{}
			for _, a := range s.mu.asked {
				counts[a]++
				most = max(most, counts[a])
			}
			s.mu.Unlock()
			if asked != len(names) || most != 1 {
				t.Errorf("%d requests read for %d names, one of them %d times", asked, len(names), most)
			}
			if got := s.dials(); got > 24 {
				t.Errorf("%d connections", got)
			}
			// The first connection is trusted with all of them. The later ones
			// are with as many as came; and where nothing warned, with as many
			// again, to see whether more come.
			most = 2 * len(names)
			if !warned {
				most = 3 * len(names)
			}
			if got := written.Load(); got > int64(most) {
				t.Errorf("%d requests written", got)
			}
		})
	}
}

// countingConn counts the requests written to it.
type countingConn struct {
	net.Conn
	requests *atomic.Int64
}

func (c *countingConn) Write(b []byte) (int, error) {
	c.requests.Add(int64(bytes.Count(b, []byte("GET /"))))
	return c.Conn.Write(b)
}

// TestPoisonedName has a name at which the origin always hangs up, once without
// and once with a first part of the answer.
func TestPoisonedName(t *testing.T) {
	for _, start := range []string{"", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbo"} {
		for _, at := range []int{0, 500, 999} {
			names := numbered(1000)
			s := serveRaw(t, func(c *rawConn) {
				for {
					target, ok := c.next()
					if !ok {
						return
					}
					if target == "/get/"+names[at] {
						c.say("%s", start)
						c.closeGently()
						return
					}
					c.file(target)
				}
			})
			r := fetchAll(t, newClient(t, Options{BaseURL: s.url()}), names...)
			if !errors.Is(r[at].err, mirror.ErrCut) {
				t.Errorf("poison: %v", r[at].err)
			}
			r[at] = result{body: "/get/" + names[at]}
			checkEcho(t, names, r)
			if want := 2; s.dials() > want+1 {
				t.Errorf("%d connections", s.dials())
			}
		}
	}
}

func TestStrikes(t *testing.T) {
	s := serveRaw(t, func(c *rawConn) { c.next(); c.closeGently() })
	r := fetchAll(t, newClient(t, Options{BaseURL: s.url()}), numbered(100)...)
	for i := range r {
		want := mirror.ErrUnreachable
		if i < maxStrikes {
			want = mirror.ErrCut
		}
		if !errors.Is(r[i].err, want) {
			t.Errorf("%d: %v, want %v", i, r[i].err, want)
		}
	}
	if s.dials() != maxStrikes {
		t.Errorf("%d connections", s.dials())
	}
}

// TestStrikesBehindRedirects has names that are all redirected to where the
// origin hangs up, or to where it cannot be reached any more.
func TestStrikesBehindRedirects(t *testing.T) {
	for _, vanish := range []bool{false, true} {
		s := serveRaw(t, func(c *rawConn) {
			for {
				target, ok := c.next()
				if !ok || strings.HasPrefix(target, "/cut") {
					return
				}
				if vanish {
					c.s.ln.Close()
				}
				c.say("HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: /cut\r\nContent-Length: 0\r\n\r\n")
				if vanish || strings.HasSuffix(target, "19") {
					c.closeGently()
					return
				}
			}
		})
		for i, r := range fetchAll(t, newClient(t, Options{BaseURL: s.url()}), numbered(20)...) {
			want := mirror.ErrUnreachable
			if i < maxStrikes && !vanish {
				want = mirror.ErrCut
			}
			if !errors.Is(r.err, want) {
				t.Errorf("%d: %v, want %v", i, r.err, want)
			}
		}
	}
}

// TestFlood pipelines 100,000 names over a connection without buffers to an origin that
// answers in bursts and does not read meanwhile.
func TestFlood(t *testing.T) {
	ln := listenPipe(t)
	s := serveRawOn(t, ln, func(c *rawConn) {
		var burst []string
		for {
			target, ok := c.next()
			if burst = append(burst, target); !ok {
				return
			}
			if c.br.Buffered() > 0 && len(burst) < 500 {
				continue
			}
			var b strings.Builder
			for _, target := range burst {
				fmt.Fprintf(&b, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(target), target)
			}
			io.WriteString(c, b.String())
			burst = burst[:0]
		}
	})
	names := numbered(100_000)
	checkEcho(t, names, fetchAll(t, newClient(t, Options{BaseURL: s.url(), Dial: ln.dial}), names...))
	if s.dials() != 1 {
		t.Errorf("%d connections", s.dials())
	}
}

func TestUnreachable(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	c := newClient(t, Options{BaseURL: "http://" + ln.Addr().String()})
	for _, r := range fetchAll(t, c, "a", "b", "c") {
		if !errors.Is(r.err, mirror.ErrUnreachable) || !errors.Is(r.err, syscall.ECONNREFUSED) || !mirror.Temporary(r.err) {
			t.Error(r.err)
		}
	}
	if _, err := c.List(t.Context(), "m"); !errors.Is(err, mirror.ErrUnreachable) || !strings.Contains(err.Error(), `"m"`) {
		t.Error(err)
	}
}
