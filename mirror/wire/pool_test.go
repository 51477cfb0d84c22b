package wire

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// TestDeadIdle has connections that the origin closes while they are idle, or
// on which it says something then; and clients that cannot see that before they
// ask. Neither charges a name, nor is a body given to the wrong one.
func TestDeadIdle(t *testing.T) {
	for what, last := range map[string]string{
		"close": "", "408": "HTTP/1.1 408 Idle\r\nContent-Length: 0\r\n\r\n", "late file": wiretest.OK("/get/old"), "bytes": "xyz",
	} {
		for _, unseen := range []bool{false, true} {
			for _, n := range []int{1, 10} {
				t.Run(fmt.Sprintf("%s/unseen=%v/n=%d", what, unseen, n), func(t *testing.T) { checkDeadIdle(t, last, unseen, n) })
			}
		}
	}
}

func checkDeadIdle(t *testing.T, last string, unseen bool, n int) {
	idle := make(chan bool)
	var once sync.Once
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for {
			target, ok := c.Next()
			if !ok {
				return
			}
			c.File(target)
			ends := false
			if target == "/get/last" {
				once.Do(func() {
					ends = true
					<-idle
					c.Say("%s", last)
				})
			}
			if ends && !strings.Contains(last, "200") {
				c.CloseGently()
				return
			}
		}
	})
	o := Options{URL: s.Base()}
	if unseen {
		// No look at the socket before its use.
		o.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, network, addr)
			return struct{ net.Conn }{nc}, err
		}
	}
	c := newClient(t, o)
	names := []string{"a", "last"}
	checkEcho(t, names, fetchAll(t, c, names...))
	close(idle)
	waitReadable(t, c)
	names = numbered(n)
	results := fetchAll(t, c, names...)
	// A 408 that is taken for the response to the first request is no proof of
	// anything, and says itself that it may pass.
	if unseen && matches(results[0].err, statusCode(408)) {
		names, results = names[1:], results[1:]
	}
	// Two for the guards, and one for these. What was late may be found out by
	// them, each of which is asked for alone then.
	most := 3
	if unseen && last != "" {
		most += 2
	}
	if checkEcho(t, names, results); s.Dials() > most {
		t.Errorf("%d connections", s.Dials())
	}
	if body, err := fetchOne(t.Context(), c, "/x"); err != nil || body != "/x" {
		t.Error(body, err)
	}
}

// TestBusyEndIsNoLimit has a server end a connection that was idle with a 408, just as
// it is used again: that says nothing of how many responses a connection gives.
func TestBusyEndIsNoLimit(t *testing.T) {
	const n = 10
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for total := 0; ; total++ {
			target, ok := c.Next()
			if !ok {
				return
			}
			if c.N == 1 && total == 1 {
				c.Say("HTTP/1.1 408 Idle\r\nContent-Length: 0\r\n\r\n")
				c.CloseGently()
				return
			}
			c.File(target)
		}
	})
	c := newClient(t, Options{URL: s.Base()})
	names := []string{"a", "last"}
	checkEcho(t, names, fetchAll(t, c, names...))
	names = numbered(n)
	results := fetchAll(t, c, names...)
	if !matches(results[0].err, statusCode(408)) {
		t.Errorf("the first gives %+v", results[0])
	}
	// One for each of the guards, of which the second ends, and one for the others; or
	// two, as a connection has as many rounds as guards are known.
	if checkEcho(t, names[1:], results[1:]); s.Dials() > 4 {
		t.Errorf("%d connections", s.Dials())
	}
}

// waitReadable waits until the one idle connection of c has something to read,
// if only its end.
func waitReadable(t *testing.T, c *Client) {
	t.Helper()
	c.mu.Lock()
	cn := c.mu.idle[0]
	c.mu.Unlock()
	raw := cn.raw
	if hidden, ok := raw.(struct{ net.Conn }); ok {
		raw = hidden.Conn
	}
	wiretest.WaitReadable(raw)
}

// TestAge has connections that get too old in the middle of a call: each finishes
// its round, and no other is begun on it.
func TestAge(t *testing.T) {
	young := quick
	young.Age, young.Round = 100*time.Millisecond, 20*time.Millisecond
	const each = time.Millisecond
	var mu sync.Mutex
	late := map[int]int{} // how often a connection was asked once it was too old
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		start := time.Now()
		for {
			target, ok := c.Next()
			if !ok {
				return
			}
			if time.Since(start) > young.Age {
				mu.Lock()
				late[c.N]++
				mu.Unlock()
			}
			time.Sleep(each)
			c.File(target)
		}
	})
	for _, pipeline := range []int{1, 1 << 20} {
		c := newClient(t, Options{URL: s.Base(), Pipeline: pipeline, Timeouts: young})
		teach(t, c)
		c.span.n.Store(16)
		s.Forget()
		names, start := numbered(500), time.Now()
		checkEcho(t, names, fetchAll(t, c, names...))
		took := time.Since(start)
		if got := s.Dials(); got < 3 || got > 5+2*int(took/young.Age) {
			t.Errorf("pipeline %d: %d connections in %v", pipeline, got, took)
		}
	}
	// A round and its guards; a busy machine may take long for them.
	for n, times := range late {
		if times > 4*int(young.Round/each) {
			t.Errorf("connection %d was asked %d times when it was too old", n, times)
		}
	}
}

// TestAgeOfIdle has a connection that gets too old while it is idle.
func TestAgeOfIdle(t *testing.T) {
	s := wiretest.Serve(t, wiretest.Echo)
	c := newClient(t, Options{URL: s.Base()})
	teach(t, c)
	c.mu.Lock()
	c.mu.idle[0].born = time.Now().Add(-2 * quick.Age)
	c.mu.Unlock()
	names := numbered(10)
	checkEcho(t, names, fetchAll(t, c, names...))
	if s.Dials() != 3 {
		t.Errorf("%d connections", s.Dials())
	}
}

// TestIdleByBothClocks has a connection that is over by one of the clocks: by the
// wall clock alone, as the machine slept, or by the monotonic one alone, as the wall
// clock was set back meanwhile.
func TestIdleByBothClocks(t *testing.T) {
	for what, idle := range map[string]struct{ mono, wall time.Duration }{
		"sleep":         {0, quick.Keep},
		"clock back":    {quick.Keep, -24 * time.Hour},
		"clock forward": {0, 24 * time.Hour},
	} {
		t.Run(what, func(t *testing.T) {
			s := wiretest.Serve(t, wiretest.Echo)
			c := newClient(t, Options{URL: s.Base()})
			teach(t, c)
			c.mu.Lock()
			cn := c.mu.idle[0]
			if at := cn.idle.wall; strings.Contains(at.String(), "m=") {
				t.Errorf("idle since %v: by the clock that stands still in a sleep", at)
			}
			cn.idle.mono, cn.idle.wall = cn.idle.mono.Add(-idle.mono), cn.idle.wall.Add(-idle.wall)
			c.mu.Unlock()
			names := numbered(10)
			checkEcho(t, names, fetchAll(t, c, names...))
			if s.Dials() != 3 {
				t.Errorf("%d connections", s.Dials())
			}
		})
	}
}

func TestIdleBound(t *testing.T) {
	var open atomic.Int32
	s := wiretest.Serve(t, func(c *wiretest.Conn) { open.Add(1); defer open.Add(-1); wiretest.Echo(c) })
	fast := quick
	fast.Keep = 30 * time.Millisecond
	c := newClient(t, Options{URL: s.Base(), Timeouts: fast})
	cns := make([]*conn, maxIdle+5)
	ca := c.begin(t.Context())
	defer ca.end()
	for i := range cns {
		var err error
		if cns[i], err = c.take(ca, true); err != nil {
			t.Fatal(err)
		}
	}
	for _, cn := range cns {
		c.put(cn)
		c.mu.Lock()
		if len(c.mu.idle) > maxIdle {
			t.Errorf("%d idle connections", len(c.mu.idle))
		}
		c.mu.Unlock()
	}
	for deadline := time.Now().Add(5 * time.Second); open.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections still open", open.Load())
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.mu.idle) != 0 || c.mu.expiry != nil {
		t.Error("connections or a timer left behind")
	}
}
