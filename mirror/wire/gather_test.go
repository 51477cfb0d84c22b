package wire

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// TestGatherCostsNoTime has rounds of every depth, long enough that receives are
// coalesced, from an origin that sends each response by itself. A read that waits
// for more than is on its way costs gatherTime, and there would be hundreds.
func TestGatherCostsNoTime(t *testing.T) {
	for _, depth := range []int{1, 2, 8, 64, 200, 1 << 20} {
		t.Run(fmt.Sprint(depth), func(t *testing.T) {
			s := wiretest.Serve(t, wiretest.Echo)
			c := newClient(t, Options{URL: s.Base(), Pipeline: depth})
			teach(t, c)
			names := numbered(2000)
			eventually.True(t, fmt.Sprintf("2,000 files within %v", 40*gatherTime), func() bool {
				start := time.Now()
				checkEcho(t, names, fetchAll(t, c, names...))
				return time.Since(start) < 40*gatherTime
			})
		})
	}
}

// TestGatherWaitsNotLong has an origin that pauses after a few responses, some ten
// times in a round: what is there is taken meanwhile, and nothing is waited for
// longer than it takes to come.
func TestGatherWaitsNotLong(t *testing.T) {
	const pause = 20 * time.Millisecond
	names := numbered(2000)
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for n := 0; ; n++ {
			target, more := c.Next()
			if !more {
				return
			}
			if c.File(target); n%200 == 3 {
				time.Sleep(pause)
			}
		}
	})
	c := newClient(t, Options{URL: s.Base()})
	teach(t, c)
	start := time.Now()
	checkEcho(t, names, fetchAll(t, c, names...))
	if took := time.Since(start); took > 10*(pause+gatherTime)+10*time.Second || s.Dials() > 4 {
		t.Errorf("took %v, %d connections", took, s.Dials())
	}
}

// TestGatherNeverWaitsForMoreThanComes has responses that are as short as can be,
// in rounds of every length around those at which what is waited for changes,
// and a client whose patience would be noticed.
func TestGatherNeverWaitsForMoreThanComes(t *testing.T) {
	const shortest, unchanged = "HTTP/1.1 200 \r\nContent-Length:0\r\n\r\n", "HTTP/1.1 304\r\n\r\n"
	if len(shortest) != leastResponse || len(unchanged) != leastBodiless {
		t.Fatal(len(shortest), len(unchanged))
	}
	for _, conditional := range []bool{false, true} {
		s := wiretest.Serve(t, func(c *wiretest.Conn) {
			for {
				targets, ok := c.Burst()
				if !ok {
					return
				}
				var b strings.Builder
				for _, target := range targets {
					switch {
					case strings.HasPrefix(target, "/get/teach/"):
						b.WriteString(wiretest.OK(target))
					case conditional:
						b.WriteString(unchanged)
					default:
						b.WriteString(shortest)
					}
				}
				io.WriteString(c, b.String())
			}
		})
		c := newClient(t, Options{URL: s.Base()})
		teach(t, c)
		c.span.n.Store(mostSpan)
		get := func(n int) {
			f := newFetch(t, numbered(n))
			b := f.batch(false)
			if conditional {
				b.Fields = func(dst []byte, _ int) []byte {
					return append(dst, "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"...)
				}
			}
			if err := c.Get(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			for i, r := range f.results {
				if r.body != "" || conditional && !matches(r.err, statusCode(304)) || !conditional && r.err != nil {
					t.Fatal(n, i, r)
				}
			}
		}
		for n := 50; n < 1200; n += 7 {
			// Who waits for too much waits out gatherTime each time, whatever else the
			// machine does; a busy machine lets one in many be quicker.
			eventually.True(t, fmt.Sprintf("a round of %d within %v", n, gatherTime), func() bool {
				start := time.Now()
				get(n)
				return time.Since(start) < gatherTime
			})
		}
		c.mu.Lock()
		for _, cn := range c.mu.idle {
			if cn.gather.lowat != 1 {
				t.Errorf("an idle connection waits for %d bytes", cn.gather.lowat)
			}
		}
		c.mu.Unlock()
	}
}
