package wire

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
	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// TestPipelineOnOneConnection wants one connection for everything, after those that
// guards were learned on: each connection has as many rounds as guards were known
// before it, and learns one from each file.
func TestPipelineOnOneConnection(t *testing.T) {
	s := wiretest.Serve(t, wiretest.Echo)
	c := newClient(t, Options{URL: s.Base()})
	teach(t, c)
	for _, n := range []int{0, 1, 2, 5000, 1, 700} {
		names := numbered(n)
		checkEcho(t, names, fetchAll(t, c, names...))
	}
	if s.Dials() > 2+3 {
		t.Errorf("%d connections", s.Dials())
	}
}

// TestKeepaliveRequests has an origin that closes after k responses, some with a
// word of warning and some without. Nothing proven is asked for again: that is all
// but what the first connections had in their last rounds.
func TestKeepaliveRequests(t *testing.T) {
	const k = 100
	for _, warned := range []bool{true, false} {
		t.Run(fmt.Sprintf("warned=%v", warned), func(t *testing.T) {
			s := wiretest.Serve(t, wiretest.Keepalive(k, warned))
			var written atomic.Int64
			c := newClient(t, Options{URL: s.Base(), Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				nc, err := new(net.Dialer).DialContext(ctx, network, addr)
				return &countingConn{nc, &written}, err
			}})
			teach(t, c)
			names := numbered(2050)
			checkEcho(t, names, fetchAll(t, c, names...))
			// The first round is 128 files long. All that came of it is asked for
			// again, once. After that no connection is asked for more than it gives,
			// and each of its rounds has two guards.
			if most := s.Most(func(target string) bool { return target > "/get/"+names[3*maxGuards] && isName(target) }); most > 2 { // others are guards too
				t.Errorf("one name was asked for %d times", most)
			}
			asked := 0
			for _, target := range s.Targets() {
				if isName(target) {
					asked++
				}
			}
			if asked > len(names)+k+int(c.Counts().Guards) {
				t.Errorf("%d requests read for %d names", asked, len(names))
			}
			if got := s.Dials(); got > 26+2 {
				t.Errorf("%d connections", got)
			}
			// Where nothing warned, as many again are written as came, to see
			// whether more come.
			most := 2 * len(names)
			if !warned {
				most = 3 * len(names)
			}
			if got := written.Load(); got > int64(most) {
				t.Errorf("%d requests written", got)
			}
		})
	}
}

// TestKeepaliveOfNginx has an origin that closes after 1,000 responses and says
// so in the last. No request is written that it does not answer.
func TestKeepaliveOfNginx(t *testing.T) {
	for _, pipeline := range []int{0, 1, 8, 1 << 20} {
		t.Run(fmt.Sprintf("pipeline=%d", pipeline), func(t *testing.T) {
			t.Parallel()
			s := wiretest.Serve(t, func(c *wiretest.Conn) {
				for range 999 {
					target, ok := c.Next()
					if !ok {
						return
					}
					c.File(target)
				}
				if target, ok := c.Next(); ok {
					c.Say("%s", wiretest.Last(target))
					c.CloseGently()
				}
			})
			var written atomic.Int64
			c := newAuto(t, Options{URL: s.Base(), Pipeline: pipeline, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				nc, err := new(net.Dialer).DialContext(ctx, network, addr)
				return &countingConn{nc, &written}, err
			}})
			teach(t, c)
			names := numbered(10_000)
			checkEcho(t, names, fetchAll(t, c, names...))
			if most := s.Most(func(target string) bool { return target > "/get/"+names[3*maxGuards] && isName(target) }); most != 1 { // others are guards too
				t.Errorf("one name was asked for %d times", most)
			}
			if read := len(s.Targets()); int64(read) != written.Load() {
				t.Errorf("%d requests written, %d read", written.Load(), read)
			}
			// The guards learned, then 11 of at most 1,000.
			if got := s.Dials(); got > 1+12 {
				t.Errorf("%d connections", got)
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
// and once with a first part of the answer. What came before it on the connection
// is asked for again in a round of its own, and then the name alone, which tells
// whose fault it is.
func TestPoisonedName(t *testing.T) {
	for _, start := range []string{"", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbo"} {
		for _, at := range []int{0, 1, 500, 999} {
			names := numbered(1000)
			s := wiretest.Serve(t, func(c *wiretest.Conn) {
				for {
					target, ok := c.Next()
					if !ok {
						return
					}
					if target == "/get/"+names[at] {
						c.Say("%s", start)
						c.CloseGently()
						return
					}
					c.File(target)
				}
			})
			c := newClient(t, Options{URL: s.Base()})
			teach(t, c)
			s.Forget()
			r := fetchAll(t, c, names...)
			if !errors.Is(r[at].err, mirror.ErrCut) {
				t.Errorf("poison: %v", r[at].err)
			}
			r[at] = result{body: "/get/" + names[at]}
			checkEcho(t, names, r)
			// The one that is there, one for what came before the name, one for what
			// little was left of that, one for the name; and as every cut says that
			// connections give less, those that show again how much they do.
			if got := s.Dials(); got > retrustEvery+10 {
				t.Errorf("at %d: %d connections", at, got)
			}
			// Rounds of 128, 512 and so on; after the fault from one on, each four
			// times the one before.
			if got := len(s.Targets()); got > len(names)+at+100 {
				t.Errorf("at %d: %d requests", at, got)
			}
		}
	}
}

// TestStrikes has an origin that reads and hangs up. The first request has an error
// after two connections, and after maxStrikes of those everything else.
func TestStrikes(t *testing.T) {
	s := wiretest.Serve(t, func(c *wiretest.Conn) { c.Next(); c.CloseGently() })
	r := fetchAll(t, newClient(t, Options{URL: s.Base()}), numbered(100)...)
	for i := range r {
		want := mirror.ErrUnreachable
		if i == 0 {
			want = mirror.ErrCut
		}
		if !errors.Is(r[i].err, want) {
			t.Errorf("%d: %v, want %v", i, r[i].err, want)
		}
	}
	if s.Dials() != maxStrikes {
		t.Errorf("%d connections", s.Dials())
	}
}

// TestHungUpOnce has an origin that ends every other connection before its first
// answer, as one that is restarted does. No request is charged for that.
func TestHungUpOnce(t *testing.T) {
	for _, depth := range []int{1, 0} {
		conns := atomic.Int64{}
		s := wiretest.Serve(t, func(c *wiretest.Conn) {
			if conns.Add(1)%2 == 1 {
				c.Next()
				c.CloseGently()
				return
			}
			wiretest.Keepalive(50, false)(c)
		})
		names := numbered(400)
		checkEcho(t, names, fetchAll(t, newClient(t, Options{URL: s.Base(), Pipeline: depth}), names...))
	}
}

// TestFlood pipelines 100,000 names over a connection without buffers to an origin that
// answers in bursts and does not read meanwhile.
func TestFlood(t *testing.T) {
	ln := wiretest.ListenPipe(t)
	s := wiretest.ServeOn(t, ln, func(c *wiretest.Conn) {
		var burst []string
		for {
			target, ok := c.Next()
			if burst = append(burst, target); !ok {
				return
			}
			if c.Buf.Buffered() > 0 && len(burst) < 500 {
				continue
			}
			var b strings.Builder
			for _, target := range burst {
				b.WriteString(wiretest.OK(target))
			}
			io.WriteString(c, b.String())
			burst = burst[:0]
		}
	})
	c := newClient(t, Options{URL: s.Base(), Dial: ln.Dial})
	teach(t, c)
	names := numbered(100_000)
	checkEcho(t, names, fetchAll(t, c, names...))
	if s.Dials() > 2+3 {
		t.Errorf("%d connections", s.Dials())
	}
}

func TestUnreachable(t *testing.T) {
	s := wiretest.Serve(t, func(*wiretest.Conn) {})
	s.Vanish()
	c := newClient(t, Options{URL: s.Base()})
	for _, r := range fetchAll(t, c, "a", "b", "c") {
		if !errors.Is(r.err, mirror.ErrUnreachable) || !errors.Is(r.err, syscall.ECONNREFUSED) || !mirror.Temporary(r.err) {
			t.Error(r.err)
		}
	}
	if _, err := fetchOne(t.Context(), c, "/m"); !errors.Is(err, mirror.ErrUnreachable) {
		t.Error(err)
	}
}
