package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// hangs is an origin that answers k requests on a connection and then says no
// more; hung is closed when it got there.
func hangs(t *testing.T, k int) (s *wiretest.Server, hung chan struct{}) {
	hung = make(chan struct{})
	var once sync.Once
	return wiretest.Serve(t, func(c *wiretest.Conn) {
		for i := 0; ; i++ {
			target, ok := c.Next()
			if !ok {
				return
			}
			if i < k {
				c.File(target)
				continue
			}
			once.Do(func() { close(hung) })
		}
	}), hung
}

// stuck is a client whose call will not end by itself.
type stuck struct {
	name string
	make func(t *testing.T) (o Options, reached chan struct{}, answered int)
}

var stucks = []stuck{
	{"answer", func(t *testing.T) (Options, chan struct{}, int) {
		s, hung := hangs(t, 2)
		return Options{URL: s.Base()}, hung, 2
	}},
	{"dial", func(t *testing.T) (Options, chan struct{}, int) {
		reached := make(chan struct{})
		return Options{URL: &url.URL{Scheme: "http", Host: "localhost:1"}, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			close(reached)
			<-ctx.Done()
			return nil, ctx.Err()
		}}, reached, 0
	}},
	{"handshake", func(t *testing.T) (Options, chan struct{}, int) {
		reached := make(chan struct{})
		s := wiretest.Serve(t, func(c *wiretest.Conn) {
			c.Buf.ReadByte()
			close(reached)
			c.Buf.ReadString(0xff)
			for {
				if _, err := c.Buf.ReadByte(); err != nil {
					return
				}
			}
		})
		return Options{URL: &url.URL{Scheme: "https", Host: s.Addr()}}, reached, 0
	}},
	{"write", func(t *testing.T) (Options, chan struct{}, int) {
		reached := make(chan struct{})
		ln := wiretest.ListenPipe(t)
		s := wiretest.ServeOn(t, ln, func(c *wiretest.Conn) {
			c.Buf.ReadByte()
			close(reached)
			<-t.Context().Done()
		})
		return Options{URL: s.Base(), Dial: ln.Dial}, reached, 0
	}},
}

func TestCancel(t *testing.T) {
	for _, st := range stucks {
		for _, n := range []int{1000, 1} {
			t.Run(st.name, func(t *testing.T) {
				o, reached, answered := st.make(t)
				if n == 1 && answered > 0 {
					return // it needs more names
				}
				c := newClient(t, o)
				ctx, cancel := context.WithCancel(t.Context())
				go func() { <-reached; cancel() }()
				start := time.Now()
				results, err := fetchCtx(ctx, t, c, numbered(n))
				checkStopped(t, results, err, context.Canceled, answered)
				if d := time.Since(start); d > 20*time.Second {
					t.Errorf("took %v", d)
				}
			})
		}
	}
}

func TestCloseFailsCalls(t *testing.T) {
	for _, st := range stucks {
		t.Run(st.name, func(t *testing.T) {
			o, reached, answered := st.make(t)
			c := newClient(t, o)
			closed := make(chan error, 1)
			go func() { <-reached; closed <- c.Close() }()
			results, err := fetchCtx(t.Context(), t, c, numbered(1000))
			checkStopped(t, results, err, mirror.ErrClosed, answered)
			if err := <-closed; err != nil {
				t.Error(err)
			}
			results, err = fetchCtx(t.Context(), t, c, numbered(10))
			checkStopped(t, results, err, mirror.ErrClosed, 0)
			if _, err := fetchOne(t.Context(), c, "/x"); !errors.Is(err, mirror.ErrClosed) {
				t.Error(err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func checkStopped(t *testing.T, results []result, err, want error, answered int) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("Get: %v, want %v", err, want)
	}
	for i, r := range results {
		if r.err == nil && i < answered {
			continue // it was on its way when the call was stopped
		}
		if !errors.Is(r.err, want) {
			t.Errorf("%d: %v", i, r.err)
			break
		}
	}
}

func TestCancelOne(t *testing.T) {
	for _, st := range stucks {
		t.Run(st.name, func(t *testing.T) {
			o, reached, answered := st.make(t)
			if answered > 0 {
				s, hung := hangs(t, 0)
				o.URL, reached = s.Base(), hung
			}
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-reached; cancel() }()
			if _, err := fetchOne(ctx, newClient(t, o), "/x"); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
}

// TestCancelledBefore has a context that is over before the call.
func TestCancelledBefore(t *testing.T) {
	s := wiretest.Serve(t, wiretest.Echo)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	results, err := fetchCtx(ctx, t, newClient(t, Options{URL: s.Base()}), numbered(5))
	checkStopped(t, results, err, context.Canceled, 0)
	if s.Dials() != 0 {
		t.Error("connected")
	}
}

// TestCancelInTake cancels while responses are still to be taken: those that are
// proven may be, the others have the error.
func TestCancelInTake(t *testing.T) {
	s := wiretest.Serve(t, wiretest.Echo)
	c := newClient(t, Options{URL: s.Base()})
	ctx, cancel := context.WithCancel(t.Context())
	names := numbered(10000)
	failed, times := 0, make([]int, len(names))
	err := c.Get(ctx, take(names, func(i int, a *Answer, err error) {
		times[i]++
		switch {
		case errors.Is(err, context.Canceled):
			failed++
		case err != nil || string(a.Body) != "/get/"+names[i]:
			t.Error(i, err)
		}
		if i == 5 {
			cancel()
		}
	}))
	if !errors.Is(err, context.Canceled) || failed == 0 || slices.Min(times) != 1 || slices.Max(times) != 1 {
		t.Errorf("%v, %d failed", err, failed)
	}
}

// TestIdleTimeout has an origin that answers two requests a connection and then
// says nothing. What it owes has an error that may pass, once.
func TestIdleTimeout(t *testing.T) {
	s, _ := hangs(t, 2)
	fast := quick
	fast.Idle = 50 * time.Millisecond
	c := newClient(t, Options{URL: s.Base(), Timeouts: fast})
	names := numbered(20)
	start := time.Now()
	for todo := names; len(todo) > 0; {
		results := fetchAll(t, c, todo...)
		if checkRight(t, todo, results) == 0 {
			t.Fatalf("none of %d came", len(todo))
		}
		var again []string
		for i, r := range results {
			if r.err != nil {
				again = append(again, todo[i])
			}
		}
		todo = again
	}
	// A few timeouts for a name, as the machine may be slow.
	if took := time.Since(start); took > 10*time.Duration(len(names))*fast.Idle {
		t.Errorf("took %v", took)
	}
	s, _ = hangs(t, 0)
	c = newClient(t, Options{URL: s.Base(), Timeouts: fast})
	r := fetchAll(t, c, numbered(10)...)
	if err := r[0].err; !errors.Is(err, mirror.ErrCut) || !strings.Contains(err.Error(), "timeout: no byte for 50ms") {
		t.Error(err)
	}
	if err := r[9].err; !errors.Is(err, mirror.ErrUnreachable) || !strings.Contains(err.Error(), "timeout") {
		t.Error(err)
	}
	if _, err := fetchOne(t.Context(), c, "/x"); !errors.Is(err, mirror.ErrCut) || !mirror.Temporary(err) {
		t.Error(err)
	}
}

// TestHangingFile has one file that never comes: it costs one timeout, and only
// itself.
func TestHangingFile(t *testing.T) {
	names := numbered(1000)
	for name, pipeline := range map[string]int{"on": 1 << 20, "window": 8, "off": 1, "auto": 0} {
		for _, at := range []int{0, 1, 500, 999} {
			t.Run(fmt.Sprintf("%s/%d", name, at), func(t *testing.T) {
				t.Parallel()
				s := wiretest.Serve(t, func(c *wiretest.Conn) {
					for {
						target, ok := c.Next()
						if !ok {
							return
						}
						if target == "/get/"+names[at] {
							io.Copy(io.Discard, c.Buf)
							return
						}
						c.File(target)
					}
				})
				soon := quick
				soon.Idle = 500 * time.Millisecond
				var off atomic.Int32
				c := newAuto(t, Options{URL: s.Base(), Pipeline: pipeline, Timeouts: soon, OnPipelineOff: func(string) { off.Add(1) }})
				r := fetchAll(t, c, names...)
				if !errors.Is(r[at].err, mirror.ErrCut) || !mirror.Temporary(r[at].err) {
					t.Errorf("%q, %v", r[at].body, r[at].err)
				}
				r[at] = result{body: "/get/" + names[at]}
				checkEcho(t, names, r)
				if asked := s.Asked("/get/" + names[at]); asked != 1 || off.Load() > 0 {
					t.Errorf("asked for it %d times; turned off %d times", asked, off.Load())
				}
			})
		}
	}
}

// TestStalledWrite has an origin that never reads.
func TestStalledWrite(t *testing.T) {
	for _, n := range []int{1, 3000} {
		ln := wiretest.ListenPipe(t)
		s := wiretest.ServeOn(t, ln, func(c *wiretest.Conn) { <-t.Context().Done() })
		fast := quick
		fast.Idle = 20 * time.Millisecond
		r := fetchAll(t, newClient(t, Options{URL: s.Base(), Dial: ln.Dial, Timeouts: fast}), numbered(n)...)
		if !errors.Is(r[0].err, mirror.ErrCut) || !strings.Contains(r[0].err.Error(), "timeout") {
			t.Error(r[0].err)
		}
	}
}

// TestStalledWriteOfRound has one that reads the first requests of a round only.
func TestStalledWriteOfRound(t *testing.T) {
	ln := wiretest.ListenPipe(t)
	s := wiretest.ServeOn(t, ln, func(c *wiretest.Conn) {
		for k := 0; c.N < 2 || k < 1; k++ {
			if target, ok := c.Next(); ok {
				c.File(target)
			} else {
				return
			}
		}
		<-t.Context().Done()
	})
	fast := quick
	fast.Idle = 20 * time.Millisecond
	c := newClient(t, Options{URL: s.Base(), Dial: ln.Dial, Timeouts: fast})
	teach(t, c)
	c.mu.Lock()
	c.drop(c.mu.idle[0])
	c.mu.idle = nil
	c.mu.Unlock()
	names := numbered(30)
	for i := range names {
		names[i] += strings.Repeat("/long", 4000) // several writes
	}
	right := checkRight(t, names, fetchAll(t, c, names...))
	if right == 0 {
		t.Error("none came")
	}
}

// TestSlowAnswers has answers that take their time each, and in all much more
// than one of them may. On a busy machine one may take longer at times.
func TestSlowAnswers(t *testing.T) {
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for {
			target, ok := c.Next()
			if !ok {
				return
			}
			time.Sleep(10 * time.Millisecond)
			c.File(target)
		}
	})
	slow := quick
	slow.Response = 200 * time.Millisecond
	names := numbered(50)
	eventually.True(t, "a call in which none is late", func() bool {
		before := s.Dials()
		if checkRight(t, names, fetchAll(t, newClient(t, Options{URL: s.Base(), Timeouts: slow}), names...)) < len(names) {
			return false
		}
		if n := s.Dials() - before; n != 3 { // two for the guards
			t.Errorf("%d connections", n)
		}
		return true
	})
}

// TestSlowDrip has an origin that sends a byte now and then: in a head, in a
// body, in chunks. The time that a reader takes for itself is not the origin's.
func TestSlowDrip(t *testing.T) {
	for _, start := range []string{"", "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n"} {
		s := wiretest.Serve(t, func(c *wiretest.Conn) {
			c.Next()
			c.Say("%s", start)
			if start == "" {
				c.Say("HTTP/1.1 200 OK\r\nX: ")
			}
			for {
				if _, err := c.Write([]byte("x")); err != nil {
					return
				}
				time.Sleep(2 * time.Millisecond)
			}
		})
		fast := quick
		fast.Response = 100 * time.Millisecond
		r := fetchAll(t, newClient(t, Options{URL: s.Base(), Timeouts: fast}), "a")
		if !errors.Is(r[0].err, mirror.ErrCut) || !strings.Contains(r[0].err.Error(), "timeout: response slower than") {
			t.Error(r[0].err)
		}
	}
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for {
			target, ok := c.Next()
			if !ok {
				return
			}
			c.File(strings.Repeat(target[len("/get/"):], 200<<10))
		}
	})
	const limit = 500 * time.Millisecond // that a busy machine keeps
	fast := quick
	fast.Response, fast.Idle = limit, limit
	names := []string{"a", "b"}
	err := newClient(t, Options{URL: s.Base(), Timeouts: fast}).Get(t.Context(), take(names, func(i int, a *Answer, err error) {
		b := make([]byte, 50<<10)
		for n := 0; err == nil && n < 200<<10; {
			var k int
			k, err = a.Stream.Read(b)
			n += k
			time.Sleep(limit / 3)
		}
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}))
	if err != nil {
		t.Error(err)
	}
}
