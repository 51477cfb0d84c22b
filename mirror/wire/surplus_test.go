package wire

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// TestUnasked has an origin that answers more than it was asked. Nothing is held
// against the files before, and the connection is not used again. Alone, what
// comes in one piece with its surplus is malformed.
func TestUnasked(t *testing.T) {
	extra := wiretest.OK("wrong")
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for {
			target, ok := c.Next()
			if !ok {
				return
			}
			if strings.HasSuffix(target, "last") {
				c.Write([]byte(wiretest.OK(target) + extra))
			} else {
				c.File(target)
			}
		}
	})
	c := newClient(t, Options{URL: s.Base()})
	teach(t, c)
	names := []string{"a", "b", "last"}
	for k := range 20 {
		s.Forget()
		on := c.pipelining.depth() > 1
		results := fetchAll(t, c, names...)
		checkEcho(t, names[:2], results[:2])
		if err := results[2].err; err == nil && !on || err != nil && (!errors.Is(err, mirror.ErrFraming) || !strings.Contains(err.Error(), "beyond the end")) {
			t.Errorf("%q, %v", results[2].body, results[2].err)
		}
		// The round; a; b and c; c. Each time that a guard seems wrong, one more
		// for each of them.
		if got := s.Dials(); got > 4+maxDesyncs*2 || got > 4 && !on {
			t.Errorf("call %d: %d connections", k, got)
		}
	}
	if c.pipelining.depth() != 1 {
		t.Error("it still pipelines")
	}
}

// TestUnsent has an origin that sends responses for ever without reading. Those
// that nothing was sent for are not taken.
func TestUnsent(t *testing.T) {
	ln := wiretest.ListenPipe(t)
	s := wiretest.ServeOn(t, ln, func(c *wiretest.Conn) {
		for all := []byte(strings.Repeat(wiretest.OK("x"), 1000)); ; {
			if _, err := c.Write(all); err != nil {
				return
			}
		}
	})
	fast := quick
	fast.Idle, fast.Join = 10*time.Millisecond, 10*time.Millisecond
	reason := ""
	c := newClient(t, Options{URL: s.Base(), Dial: ln.Dial, Timeouts: fast, OnPipelineOff: func(r string) { reason = r }})
	// As files that it would not get from here.
	c.guards.now.Store((*guardSet)(nil).with(newGuard("/x", 200, []byte("x"), 0), newGuard("/y", 404, nil, 0)))
	names := numbered(60)
	for i := range names { // so long that a round is more than one write
		names[i] += strings.Repeat("/long", 1000)
	}
	for k := 0; k < 5*maxDesyncs && reason == ""; k++ {
		fetchAll(t, c, names...)
	}
	if !strings.Contains(reason, "not sent") {
		t.Errorf("turned off for %q", reason)
	}
}

// TestUnread has an origin that answers all requests of a round but reads only
// the first of them. The writer must not be waited for, nor the rest of what it
// wrote be left on a connection that is used again.
func TestUnread(t *testing.T) {
	guards := "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n" + strings.Repeat(wiretest.OK("x"), guardWord(100)-1)
	ln := wiretest.ListenPipe(t)
	s := wiretest.ServeOn(t, ln, func(c *wiretest.Conn) {
		c.Read(make([]byte, 10))
		io.WriteString(c, strings.Repeat(wiretest.OK("x"), 100)+guards)
		<-t.Context().Done()
	})
	fast := quick
	fast.Join = 10 * time.Millisecond
	c := newClient(t, Options{URL: s.Base(), Dial: ln.Dial, Timeouts: fast})
	c.guards.now.Store((*guardSet)(nil).with(newGuard("/x", 200, []byte("x"), 0), newGuard("/y", 404, nil, 0)))
	for range 2 {
		for i, r := range fetchAll(t, c, numbered(100)...) {
			if r.err != nil {
				t.Errorf("%d: %v", i, r.err)
			}
		}
	}
	if s.Dials() != 2 {
		t.Errorf("%d connections", s.Dials())
	}
}
