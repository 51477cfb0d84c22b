package origin

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror"
)

// TestDeadIdle has connections that the origin closes while they are idle, or
// on which it says something then. Neither charges a name.
func TestDeadIdle(t *testing.T) {
	for _, last := range []string{"", "HTTP/1.1 408 Idle\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold"} {
		for _, unseen := range []bool{false, true} {
			idle := make(chan bool)
			s := serveRaw(t, func(c *rawConn) {
				for {
					target, ok := c.next()
					if !ok {
						return
					}
					c.file(target)
					if c.n == 0 && target == "/get/last" {
						<-idle
						c.say("%s", last)
						c.closeGently()
						return
					}
				}
			})
			o := Options{BaseURL: s.url()}
			if unseen {
				if last != "" {
					continue // what comes cannot be told from an answer
				}
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
			names = []string{"b"} // of several the first would be seen to come too early
			checkEcho(t, names, fetchAll(t, c, names...))
			if s.dials() != 2 {
				t.Errorf("%d connections", s.dials())
			}
			if _, err := c.List(t.Context(), ""); !errors.Is(err, mirror.ErrListing) {
				t.Error(err)
			}
		}
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
	rc, err := raw.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	cn.nc.SetDeadline(time.Time{})
	rc.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return err != syscall.EAGAIN
	})
}

func TestIdleBound(t *testing.T) {
	var open atomic.Int32
	s := serveRaw(t, func(c *rawConn) { open.Add(1); defer open.Add(-1); echo(c) })
	fast := quick
	fast.keep = 30 * time.Millisecond
	c := newClient(t, Options{BaseURL: s.url(), timing: fast})
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
