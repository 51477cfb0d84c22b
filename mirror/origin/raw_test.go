package origin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quick are timeouts for tests that wait for none of them.
var quick = timing{dial: 5 * time.Second, handshake: 5 * time.Second, idle: 5 * time.Second,
	answer: 5 * time.Second, minRate: 16 << 10, keep: time.Minute, join: time.Second, probe: 5 * time.Second}

// rawServer is an origin of which the test writes every byte.
type rawServer struct {
	ln net.Listener
	wg sync.WaitGroup
	mu struct {
		sync.Mutex
		conns map[net.Conn]bool
		dials int
		asked []string // targets, in order
	}
}

// rawConn is a connection of a rawServer.
type rawConn struct {
	net.Conn
	s  *rawServer
	br *bufio.Reader
	n  int // of the connection, from 0
}

func serveRaw(t testing.TB, serve func(c *rawConn)) *rawServer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveRawOn(t, ln, serve)
}

func serveRawOn(t testing.TB, ln net.Listener, serve func(c *rawConn)) *rawServer {
	s := &rawServer{ln: ln}
	s.mu.conns = map[net.Conn]bool{}
	s.wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			c := &rawConn{Conn: nc, s: s, br: bufio.NewReader(nc), n: s.mu.dials}
			s.mu.conns[nc] = true
			s.mu.dials++
			s.mu.Unlock()
			s.wg.Go(func() {
				defer nc.Close()
				serve(c)
			})
		}
	})
	t.Cleanup(s.close)
	return s
}

func (s *rawServer) close() {
	s.ln.Close()
	s.mu.Lock()
	for nc := range s.mu.conns {
		nc.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

func (s *rawServer) url() string { return "http://" + s.ln.Addr().String() }

// asked counts the requests for a target.
func (s *rawServer) asked(target string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.mu.asked {
		if a == target {
			n++
		}
	}
	return n
}

func (s *rawServer) dials() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.dials
}

// next reads a request and returns its target.
func (c *rawConn) next() (target string, ok bool) {
	first := ""
	for {
		line, err := c.br.ReadString('\n')
		if err != nil {
			return "", false
		}
		if line == "\r\n" {
			break
		}
		if first == "" {
			first = line
		}
	}
	target = strings.Fields(first)[1]
	c.s.mu.Lock()
	c.s.mu.asked = append(c.s.mu.asked, target)
	c.s.mu.Unlock()
	return target, true
}

// closeGently closes after everything sent was taken, where Close with unread
// requests would reset the connection under its last answers.
func (c *rawConn) closeGently() {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	io.Copy(io.Discard, c.br)
}

func (c *rawConn) say(format string, args ...any) { fmt.Fprintf(c, format, args...) }

// file answers with a body.
func (c *rawConn) file(body string) {
	c.say("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// echo answers every request with its target.
func echo(c *rawConn) {
	for {
		target, ok := c.next()
		if !ok {
			return
		}
		c.file(target)
	}
}

// newClient returns a client that pipelines without a probe.
func newClient(t testing.TB, o Options) *Client {
	t.Helper()
	if o.Pipeline == 0 {
		o.Pipeline = 1 << 20
	}
	return newAuto(t, o)
}

// newAuto returns a client that finds out whether to pipeline.
func newAuto(t testing.TB, o Options) *Client {
	t.Helper()
	if o.timing == (timing{}) {
		o.timing = quick
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// result is what was delivered for a name.
type result struct {
	body   string
	stream bool
	obj    mirror.Object
	err    error
}

// fetchAll fetches names and checks that each is delivered once.
func fetchAll(t testing.TB, c *Client, names ...string) []result {
	t.Helper()
	results, err := fetchCtx(t.Context(), t, c, names)
	if err != nil {
		t.Fatalf("Fetch: %v", err)
	}
	return results
}

// fetchSure fetches names, and again each by itself where what came is in doubt.
func fetchSure(t testing.TB, c *Client, names ...string) []result {
	t.Helper()
	results, err := fetchCtx(t.Context(), t, c, names)
	if errors.Is(err, mirror.ErrDesync) {
		for i, name := range names {
			results[i] = fetchAll(t, c, name)[0]
		}
	} else if err != nil {
		t.Fatalf("Fetch: %v", err)
	}
	return results
}

func fetchCtx(ctx context.Context, t testing.TB, c *Client, names []string) ([]result, error) {
	t.Helper()
	results, times := make([]result, len(names)), make([]int, len(names))
	err := c.Fetch(ctx, names, func(i int, obj *mirror.Object, err error) {
		r := result{err: err}
		if times[i]++; obj != nil {
			r.obj, r.body = *obj, string(obj.Body)
			if r.obj.ETag != nil {
				r.obj.ETag = []byte(string(obj.ETag))
			}
			if r.stream = obj.Stream != nil; r.stream {
				b, err := io.ReadAll(obj.Stream)
				r.body, r.err = string(b), err
			}
		}
		results[i] = r
	})
	for i, n := range times {
		if n != 1 {
			t.Errorf("%.100q: delivered %d times", names[i], n)
		}
	}
	return results, err
}

// numbered returns n names.
func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("dir/file-%07d", i)
	}
	return names
}

// checkEcho checks results that came from echo.
func checkEcho(t testing.TB, names []string, results []result) {
	t.Helper()
	bad := 0
	for i, r := range results {
		if r.err != nil || r.body != "/get/"+names[i] {
			if bad++; bad <= 5 {
				t.Errorf("%s: %.60q, %v", names[i], r.body, r.err)
			}
		}
	}
	if bad > 5 {
		t.Errorf("and %d more", bad-5)
	}
}
