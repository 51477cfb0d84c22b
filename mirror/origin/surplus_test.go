package origin

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror"
)

// TestUnasked has an origin that answers more than it was asked.
func TestUnasked(t *testing.T) {
	extra := "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"
	s := serveRaw(t, func(c *rawConn) {
		for {
			target, ok := c.next()
			if !ok {
				return
			}
			if strings.HasSuffix(target, "last") {
				c.say("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s%s", len(target), target, extra)
			} else {
				c.file(target)
			}
		}
	})
	c := newClient(t, Options{BaseURL: s.url()})
	names := []string{"a", "b", "last"}
	for range 20 {
		results := fetchSure(t, c, names...)
		checkEcho(t, names[:2], results[:2])
		if !errors.Is(results[2].err, mirror.ErrFraming) || !strings.Contains(results[2].err.Error(), "beyond the end") {
			t.Errorf("%q, %v", results[2].body, results[2].err)
		}
	}
	if s.dials() != 22 {
		t.Errorf("%d connections; one with surplus bytes was used again", s.dials())
	}
}

// TestUnsent has an origin that sends answers for ever without reading. Those
// that nothing was sent for are not taken.
func TestUnsent(t *testing.T) {
	ln := listenPipe(t)
	s := serveRawOn(t, ln, func(c *rawConn) {
		answer := []byte(strings.Repeat("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 1000))
		for {
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	})
	fast := quick
	fast.idle, fast.join = 10*time.Millisecond, 10*time.Millisecond
	results, err := fetchCtx(t.Context(), t, newClient(t, Options{BaseURL: s.url(), Dial: ln.dial, timing: fast}), numbered(5000))
	if err != nil && !errors.Is(err, mirror.ErrDesync) {
		t.Fatal(err)
	}
	framing := 0
	for _, r := range results {
		if errors.Is(r.err, mirror.ErrFraming) {
			framing++
		}
	}
	if framing == 0 {
		t.Error("every one of the answers was believed")
	}
}

// TestUnread has an origin that answers all requests of a round but reads only
// the first of them. The writer must not be waited for, nor the rest of what it
// wrote be left on a connection that is used again.
func TestUnread(t *testing.T) {
	ln := listenPipe(t)
	s := serveRawOn(t, ln, func(c *rawConn) {
		c.Read(make([]byte, 10))
		io.WriteString(c, strings.Repeat("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 100))
		<-t.Context().Done()
	})
	fast := quick
	fast.join = 10 * time.Millisecond
	c := newClient(t, Options{BaseURL: s.url(), Dial: ln.dial, timing: fast})
	for range 2 {
		for i, r := range fetchAll(t, c, numbered(100)...) {
			if r.err != nil {
				t.Errorf("%d: %v", i, r.err)
			}
		}
	}
	if s.dials() != 2 {
		t.Errorf("%d connections", s.dials())
	}
}

// TestSurplusBetweenRounds has surplus where a round ends before the call does.
func TestSurplusBetweenRounds(t *testing.T) {
	s := serveRaw(t, func(c *rawConn) {
		for {
			target, ok := c.next()
			if !ok {
				return
			}
			extra := ""
			if strings.HasSuffix(target, "2") {
				extra = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"
			}
			c.say("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s%s", len(target), target, extra)
		}
	})
	c := newClient(t, Options{BaseURL: s.url()})
	c.limit.Store(3)
	names := numbered(4)
	if _, err := fetchCtx(t.Context(), t, c, names); !errors.Is(err, mirror.ErrDesync) {
		t.Error(err)
	}
	results := fetchSure(t, c, names...)
	checkEcho(t, []string{names[0], names[1], names[3]}, []result{results[0], results[1], results[3]})
	if !errors.Is(results[2].err, mirror.ErrFraming) {
		t.Error(results[2].err)
	}
}

// pipes is a listener whose connections have no buffer at all: what one side
// writes waits until the other reads it.
type pipes struct {
	net.Listener
	accept chan net.Conn
}

func listenPipe(t *testing.T) pipes {
	ln, err := net.Listen("tcp", "127.0.0.1:0") // for its address, and to close
	if err != nil {
		t.Fatal(err)
	}
	p := pipes{ln, make(chan net.Conn)}
	go func() {
		ln.Accept()
		close(p.accept)
	}()
	return p
}

func (p pipes) Accept() (net.Conn, error) {
	if nc, ok := <-p.accept; ok {
		return nc, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	p.accept <- server
	return client, nil
}
