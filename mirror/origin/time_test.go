package origin

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror"
)

// hangs is an origin that answers k requests on a connection and then says no
// more; hung is closed when it got there.
func hangs(t *testing.T, k int) (s *rawServer, hung chan struct{}) {
	hung = make(chan struct{})
	var once sync.Once
	return serveRaw(t, func(c *rawConn) {
		for i := 0; ; i++ {
			target, ok := c.next()
			if !ok {
				return
			}
			if i < k {
				c.file(target)
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
		return Options{BaseURL: s.url()}, hung, 2
	}},
	{"dial", func(t *testing.T) (Options, chan struct{}, int) {
		reached := make(chan struct{})
		return Options{BaseURL: "http://localhost:1", Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			close(reached)
			<-ctx.Done()
			return nil, ctx.Err()
		}}, reached, 0
	}},
	{"handshake", func(t *testing.T) (Options, chan struct{}, int) {
		reached := make(chan struct{})
		s := serveRaw(t, func(c *rawConn) {
			c.br.ReadByte()
			close(reached)
			c.br.ReadString(0xff)
			for {
				if _, err := c.br.ReadByte(); err != nil {
					return
				}
			}
		})
		return Options{BaseURL: strings.Replace(s.url(), "http", "https", 1)}, reached, 0
	}},
	{"write", func(t *testing.T) (Options, chan struct{}, int) {
		reached := make(chan struct{})
		ln := listenPipe(t)
		s := serveRawOn(t, ln, func(c *rawConn) {
			c.br.ReadByte()
			close(reached)
			<-t.Context().Done()
		})
		return Options{BaseURL: s.url(), Dial: ln.dial}, reached, 0
	}},
}

func TestCancel(t *testing.T) {
	for _, st := range stucks {
		for _, n := range []int{1000, 1} {
			t.Run(st.name, func(t *testing.T) {
				o, reached, answered := st.make(t)
				if n == 1 && answered > 0 {
					t.Skip("needs more names")
				}
				c := newClient(t, o)
				ctx, cancel := context.WithCancel(t.Context())
				go func() { <-reached; cancel() }()
				start := time.Now()
				results, err := fetchCtx(ctx, t, c, numbered(n))
				checkStopped(t, results, err, context.Canceled, answered)
				if d := time.Since(start); d > 2*time.Second {
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
			if _, err := c.List(t.Context(), ""); !errors.Is(err, mirror.ErrClosed) {
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
		t.Errorf("Fetch: %v, want %v", err, want)
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

func TestCancelList(t *testing.T) {
	for _, st := range stucks {
		t.Run(st.name, func(t *testing.T) {
			o, reached, answered := st.make(t)
			if answered > 0 {
				s, hung := hangs(t, 0)
				o.BaseURL, reached = s.url(), hung
			}
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-reached; cancel() }()
			if _, err := newClient(t, o).List(ctx, ""); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
}

// TestCancelledBefore has a context that is over before the call.
func TestCancelledBefore(t *testing.T) {
	s := serveRaw(t, echo)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	results, err := fetchCtx(ctx, t, newClient(t, Options{BaseURL: s.url()}), numbered(5))
	checkStopped(t, results, err, context.Canceled, 0)
	if s.dials() != 0 {
		t.Error("connected")
	}
}

// TestCancelInDeliver cancels while answers are still in the read buffer.
func TestCancelInDeliver(t *testing.T) {
	s := serveRaw(t, echo)
	c := newClient(t, Options{BaseURL: s.url()})
	ctx, cancel := context.WithCancel(t.Context())
	failed := 0
	err := c.Fetch(ctx, numbered(10000), func(i int, _ *mirror.Object, err error) {
		if i == 5 {
			cancel()
		}
		if errors.Is(err, context.Canceled) {
			failed++
		}
	})
	if !errors.Is(err, context.Canceled) || failed == 0 {
		t.Errorf("%v, %d failed", err, failed)
	}
}

func TestIdleTimeout(t *testing.T) {
	s, _ := hangs(t, 2)
	fast := quick
	fast.idle = 20 * time.Millisecond
	c := newClient(t, Options{BaseURL: s.url(), timing: fast})
	for _, r := range fetchSure(t, c, numbered(10)...) {
		// Every connection answers two; none of these is ever charged.
		if r.err != nil {
			t.Error(r.err)
		}
	}
	s, _ = hangs(t, 0)
	c = newClient(t, Options{BaseURL: s.url(), timing: fast})
	r := fetchAll(t, c, numbered(10)...)
	if err := r[0].err; !errors.Is(err, mirror.ErrCut) || !strings.Contains(err.Error(), "timeout: no byte for 20ms") {
		t.Error(err)
	}
	if err := r[9].err; !errors.Is(err, mirror.ErrUnreachable) || !strings.Contains(err.Error(), "timeout") {
		t.Error(err)
	}
	if _, err := c.List(t.Context(), ""); !errors.Is(err, mirror.ErrCut) || !mirror.Temporary(err) {
		t.Error(err)
	}
}

// TestStalledWrite has an origin that never reads.
func TestStalledWrite(t *testing.T) {
	for _, n := range []int{1, 3000} {
		ln := listenPipe(t)
		s := serveRawOn(t, ln, func(c *rawConn) { <-t.Context().Done() })
		fast := quick
		fast.idle = 20 * time.Millisecond
		r := fetchAll(t, newClient(t, Options{BaseURL: s.url(), Dial: ln.dial, timing: fast}), numbered(n)...)
		if !errors.Is(r[0].err, mirror.ErrCut) || !strings.Contains(r[0].err.Error(), "timeout") {
			t.Error(r[0].err)
		}
	}
}

// TestSlowAnswers has answers that take their time each, and in all much more
// than one of them may.
func TestSlowAnswers(t *testing.T) {
	s := serveRaw(t, func(c *rawConn) {
		for {
			target, ok := c.next()
			if !ok {
				return
			}
			time.Sleep(10 * time.Millisecond)
			c.file(target)
		}
	})
	slow := quick
	slow.answer = 200 * time.Millisecond
	names := numbered(50)
	checkEcho(t, names, fetchAll(t, newClient(t, Options{BaseURL: s.url(), timing: slow}), names...))
	if s.dials() != 1 {
		t.Errorf("%d connections", s.dials())
	}
}

// TestSlowDrip has an origin that sends a byte now and then: in a head, in a
// body, in chunks. The time that a reader takes for itself is not the origin's.
func TestSlowDrip(t *testing.T) {
	for _, start := range []string{"", "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n"} {
		s := serveRaw(t, func(c *rawConn) {
			c.next()
			c.say("%s", start)
			if start == "" {
				c.say("HTTP/1.1 200 OK\r\nX: ")
			}
			for {
				if _, err := c.Write([]byte("x")); err != nil {
					return
				}
				time.Sleep(2 * time.Millisecond)
			}
		})
		fast := quick
		fast.answer = 100 * time.Millisecond
		r := fetchAll(t, newClient(t, Options{BaseURL: s.url(), timing: fast}), "a")
		if !errors.Is(r[0].err, mirror.ErrCut) || !strings.Contains(r[0].err.Error(), "timeout: answer slower than") {
			t.Error(r[0].err)
		}
	}
	s := serveRaw(t, func(c *rawConn) {
		for {
			target, ok := c.next()
			if !ok {
				return
			}
			c.file(strings.Repeat(target[len("/get/"):], 200<<10))
		}
	})
	fast := quick
	fast.answer, fast.idle = 50*time.Millisecond, 50*time.Millisecond
	err := newClient(t, Options{BaseURL: s.url(), timing: fast}).Fetch(t.Context(), []string{"a", "b"}, func(i int, obj *mirror.Object, err error) {
		b := make([]byte, 50<<10)
		for n := 0; err == nil && n < 200<<10; {
			var k int
			k, err = obj.Stream.Read(b)
			n += k
			time.Sleep(20 * time.Millisecond)
		}
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	})
	if err != nil {
		t.Error(err)
	}
}
