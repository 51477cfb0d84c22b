package wire

import (
	"testing"

	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// TestTrustComesBack has an origin that closes its first connections after one or
// two responses, say while it is restarted, and later none. The client must not
// open a connection for every file for ever.
func TestTrustComesBack(t *testing.T) {
	for _, gives := range []int{1, 2} {
		const bad = 6
		s := wiretest.Serve(t, func(c *wiretest.Conn) {
			for k := 0; c.N >= bad || k < gives; k++ {
				target, ok := c.Next()
				if !ok {
					return
				}
				c.File(target)
			}
			c.CloseGently()
		})
		c := newClient(t, Options{URL: s.Base()})
		names := numbered(1000)
		checkEcho(t, names, fetchAll(t, c, names...))
		// Every 16th connection is asked for more; then it doubles.
		if got := s.Dials(); got > bad+2*retrustEvery+10 {
			t.Errorf("after %d: %d connections", gives, got)
		}
	}
}

// TestSpanOfShortRounds has rounds that are too short to say anything of long
// ones: the span does not grow by them.
func TestSpanOfShortRounds(t *testing.T) {
	s := wiretest.Serve(t, wiretest.Echo)
	c := newClient(t, Options{URL: s.Base()})
	teach(t, c)
	for range 10 {
		fetchAll(t, c, "a", "b")
	}
	if got := c.span.get(); got != firstSpan {
		t.Errorf("span %d", got)
	}
	fetchAll(t, c, numbered(firstSpan+1)...)
	if got := c.span.get(); got != firstSpan*spanGrowth {
		t.Errorf("span %d after a whole round", got)
	}
}

// TestSmallKeepalives has origins that close after few responses, with and without
// a word: everything comes, at the cost of a connection a file and no more.
func TestSmallKeepalives(t *testing.T) {
	for k := 1; k <= 20; k++ {
		for _, warned := range []bool{true, false} {
			for name, pipeline := range map[string]int{"on": 1 << 20, "window": 8, "off": 1, "auto": 0} {
				s := wiretest.Serve(t, wiretest.Keepalive(k, warned))
				c := newAuto(t, Options{URL: s.Base(), Pipeline: pipeline})
				teach(t, c)
				names := numbered(200)
				checkEcho(t, names, fetchAll(t, c, names...))
				// Of k, two are guards; with fewer than three there are none, but
				// that every retrustEvery-th connection is asked for more in vain.
				most := len(names)
				if k > 3 {
					most = len(names) / (k - 2)
				}
				if !warned {
					// That it gave all it was asked for looks as if it gave more: each
					// second one is asked for twice as much, in vain, and what was its
					// first is asked for alone.
					most *= 2
				}
				if got := s.Dials(); got > most+len(names)/retrustEvery*3/2+12 {
					t.Errorf("%s, warned %v, after %d: %d connections", name, warned, k, got)
				}
				if most := s.Most(isName); most > 6 {
					t.Errorf("%s, warned %v, after %d: one was asked for %d times", name, warned, k, most)
				}
			}
		}
	}
}
