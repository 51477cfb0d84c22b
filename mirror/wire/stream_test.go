package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// content is long and the same nowhere.
func content(name string, n int) string {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%s %d\n", name, i)
	}
	return b.String()[:n]
}

// serveLengths answers "12345/x" with so many bytes, framed as x says.
func serveLengths(c *wiretest.Conn) {
	for {
		target, ok := c.Next()
		if !ok {
			return
		}
		var n int
		var how string
		fmt.Sscanf(target, "/get/%d/%s", &n, &how)
		body := content(target, n)
		switch how {
		case "length":
			c.File(body)
		case "chunked":
			c.Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			for i := 1; len(body) > 0; i = i*3%70000 + 1 {
				k := min(i, len(body))
				c.Say("%x\r\n%s\r\n", k, body[:k])
				body = body[k:]
			}
			c.Say("0\r\n\r\n")
		case "close":
			c.Say("HTTP/1.1 200 OK\r\n\r\n%s", body)
			c.CloseGently()
			return
		case "cut":
			c.Say("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", n, body[:n-1])
			c.CloseGently()
			return
		case "cutchunk":
			c.Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", n, body)
			c.CloseGently()
			return
		}
	}
}

func TestLengths(t *testing.T) {
	s := wiretest.Serve(t, serveLengths)
	for _, spool := range []bool{false, true} {
		for _, inline := range []int{1, 1000, 64 << 10, 200 << 10} {
			checkLengths(t, s, inline, spool)
		}
	}
}

func checkLengths(t *testing.T, s *wiretest.Server, inline int, spool bool) {
	c := newClient(t, Options{URL: s.Base(), InlineLimit: inline, MaxFileSize: 300000})
	var names []string
	for _, n := range []int{0, 1, 999, 1000, 1001, 64<<10 - 1, 64 << 10, 64<<10 + 1, 200 << 10, 200<<10 + 1, 300000} {
		for _, how := range []string{"length", "chunked", "length", "close"} {
			names = append(names, fmt.Sprintf("%d/%s", n, how))
		}
	}
	results, err := newFetch(t, names).run(t.Context(), c, spool)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		var n int
		var how string
		fmt.Sscanf(names[i], "%d/%s", &n, &how)
		if want := content("/get/"+names[i], n); r.err != nil || r.body != want {
			t.Fatalf("inline %d: %s: %d bytes, %v", inline, names[i], len(r.body), r.err)
		}
		size := int64(n)
		if r.stream && how != "length" {
			size = -1
		}
		long := r.stream || spool && r.ans.Spooled
		if long != (n > inline) || r.ans.Size != size || r.ans.Spooled && how != "length" {
			t.Errorf("inline %d: %s: stream %v, spooled %v, size %d", inline, names[i], r.stream, r.ans.Spooled, r.ans.Size)
		}
	}
}

func TestStreamCut(t *testing.T) {
	s := wiretest.Serve(t, serveLengths)
	c := newClient(t, Options{URL: s.Base(), InlineLimit: 100})
	r := fetchAll(t, c, "10/length", "1000/cut", "11/length", "1000/cutchunk", "1000/chunked")
	for i, want := range []error{nil, mirror.ErrCut, nil, mirror.ErrCut, nil} {
		if want == nil && r[i].err != nil || !errors.Is(r[i].err, want) {
			t.Errorf("%d: %v, want %v", i, r[i].err, want)
		}
	}
}

// TestStreamTooLong streams past the limit, where the length was not known.
func TestStreamTooLong(t *testing.T) {
	s := wiretest.Serve(t, serveLengths)
	c := newClient(t, Options{URL: s.Base(), InlineLimit: 100, MaxFileSize: 5000})
	r := fetchAll(t, c, "5001/chunked", "5000/chunked", "5001/close", "5000/length", "5001/length")
	for i, want := range []error{mirror.ErrTooLarge, nil, mirror.ErrTooLarge, nil, mirror.ErrTooLarge} {
		if want == nil && r[i].err != nil || !errors.Is(r[i].err, want) {
			t.Errorf("%d: %v, want %v", i, r[i].err, want)
		}
		if len(r[i].body) > 5000 {
			t.Errorf("%d: %d bytes", i, len(r[i].body))
		}
	}
}

// take is a Batch for names with a Take of the test's own.
func take(names []string, f func(i int, a *Answer, err error)) *Batch {
	b := newFetch(nil, names).batch(false)
	b.Take = f
	return b
}

// TestStreamLeft has a caller that stops in the middle of streams, and one that
// keeps them.
func TestStreamLeft(t *testing.T) {
	s := wiretest.Serve(t, serveLengths)
	c := newClient(t, Options{URL: s.Base(), InlineLimit: 100})
	var names []string
	for i := range 30 {
		names = append(names, fmt.Sprintf("%d/length", 50000+i), fmt.Sprintf("%d/chunked", 50000+i), fmt.Sprintf("%d/length", i))
	}
	var kept []io.Reader
	times := make([]int, len(names))
	err := c.Get(t.Context(), take(names, func(i int, a *Answer, err error) {
		if times[i]++; err != nil {
			t.Fatalf("%s: %v", names[i], err)
		}
		b := a.Body
		if a.Stream != nil {
			b = make([]byte, 150)
			if _, err := io.ReadFull(a.Stream, b); err != nil {
				t.Errorf("%s: %v", names[i], err)
			}
			kept = append(kept, a.Stream)
		}
		if want := content("/get/"+names[i], len(b)); string(b) != want {
			t.Errorf("%s: another file's body", names[i])
		}
	}))
	if err != nil || slices.Max(times) != 1 || slices.Min(times) != 1 {
		t.Error(err, times)
	}
	if len(kept) != 60 {
		t.Errorf("%d streams", len(kept))
	}
	for _, r := range kept {
		if n, err := r.Read(make([]byte, 10)); n != 0 || err == nil || err == io.EOF {
			t.Errorf("a stream that was kept gave %d bytes, %v", n, err)
		}
	}
	// That the client itself ended those connections says nothing of the server.
	if got := c.trust(0); got < firstTrust {
		t.Errorf("the server is trusted with %d requests", got)
	}
}

// TestStreamToItsSize has a caller that reads the declared length and never
// sees io.EOF. The connection can be used again, whether the stream is proven when
// it is handed out or not.
func TestStreamToItsSize(t *testing.T) {
	s := wiretest.Serve(t, serveLengths)
	c := newClient(t, Options{URL: s.Base(), InlineLimit: 100})
	fetchAll(t, c, "30/length", "31/length") // the guards
	names := strings.Fields("32/length 5000/length 5001/length 7/length")
	read := func(a *Answer) error {
		_, err := io.ReadFull(a.Stream, make([]byte, a.Size))
		return err
	}
	spooled := 0
	for range 2 {
		b := take(names, func(_ int, a *Answer, err error) {
			if err == nil && a.Stream != nil {
				err = read(a)
			}
			if err != nil {
				t.Error(err)
			}
		})
		b.Spool = func(_ int, a *Answer) error { spooled++; return read(a) }
		if err := c.Get(t.Context(), b); err != nil {
			t.Error(err)
		}
	}
	if s.Dials() > 4 || spooled != 4 {
		t.Errorf("%d connections, %d spooled", s.Dials(), spooled)
	}
	c.mu.Lock()
	for _, cn := range c.mu.idle {
		c.drop(cn)
	}
	c.mu.idle = nil
	c.mu.Unlock()
	b := take([]string{"5000/length", "7/length", "8/length"}, func(_ int, a *Answer, err error) {
		if err == nil && a.Stream != nil {
			err = read(a)
		}
		if err != nil {
			t.Error(err)
		}
	})
	// One on which the long one turned out to be long, one for the others, and one
	// for the long one alone.
	if err := c.Get(t.Context(), b); err != nil || s.Dials() > 4+3 {
		t.Errorf("%v, %d connections", err, s.Dials())
	}
}
