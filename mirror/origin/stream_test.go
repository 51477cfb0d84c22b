package origin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/motefs/motefs/mirror"
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
func serveLengths(c *rawConn) {
	for {
		target, ok := c.next()
		if !ok {
			return
		}
		var n int
		var how string
		fmt.Sscanf(target, "/get/%d/%s", &n, &how)
		body := content(target, n)
		switch how {
		case "length":
			c.file(body)
		case "chunked":
			c.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			for i := 1; len(body) > 0; i = i*3%70000 + 1 {
				k := min(i, len(body))
				c.say("%x\r\n%s\r\n", k, body[:k])
				body = body[k:]
			}
			c.say("0\r\n\r\n")
		case "close":
			c.say("HTTP/1.1 200 OK\r\n\r\n%s", body)
			c.closeGently()
			return
		case "cut":
			c.say("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", n, body[:n-1])
			c.closeGently()
			return
		case "cutchunk":
			c.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", n, body)
			c.closeGently()
			return
		}
	}
}

func TestLengths(t *testing.T) {
	s := serveRaw(t, serveLengths)
	for _, inline := range []int{1, 1000, 64 << 10, 200 << 10} {
		c := newClient(t, Options{BaseURL: s.url(), InlineLimit: inline, MaxFileSize: 300000})
		var names []string
		for _, n := range []int{0, 1, 999, 1000, 1001, 64<<10 - 1, 64 << 10, 64<<10 + 1, 200 << 10, 200<<10 + 1, 300000} {
			for _, how := range []string{"length", "chunked", "length", "close"} {
				names = append(names, fmt.Sprintf("%d/%s", n, how))
			}
		}
		for i, r := range fetchAll(t, c, names...) {
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
			if r.stream != (n > inline) || r.obj.Size != size {
				t.Errorf("inline %d: %s: stream %v, size %d", inline, names[i], r.stream, r.obj.Size)
			}
		}
	}
}

func TestStreamCut(t *testing.T) {
	s := serveRaw(t, serveLengths)
	c := newClient(t, Options{BaseURL: s.url(), InlineLimit: 100})
	r := fetchAll(t, c, "10/length", "1000/cut", "11/length", "1000/cutchunk", "1000/chunked")
	for i, want := range []error{nil, mirror.ErrCut, nil, mirror.ErrCut, nil} {
		if want == nil && r[i].err != nil || !errors.Is(r[i].err, want) {
			t.Errorf("%d: %v, want %v", i, r[i].err, want)
		}
	}
}

// TestStreamTooLong streams past the limit, where the length was not known.
func TestStreamTooLong(t *testing.T) {
	s := serveRaw(t, serveLengths)
	c := newClient(t, Options{BaseURL: s.url(), InlineLimit: 100, MaxFileSize: 5000})
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

// TestStreamLeft has a caller that stops in the middle of streams, and one that
// keeps them.
func TestStreamLeft(t *testing.T) {
	s := serveRaw(t, serveLengths)
	c := newClient(t, Options{BaseURL: s.url(), InlineLimit: 100})
	var names []string
	for i := range 30 {
		names = append(names, fmt.Sprintf("%d/length", 50000+i), fmt.Sprintf("%d/chunked", 50000+i), fmt.Sprintf("%d/length", i))
	}
	var kept []io.Reader
	err := c.Fetch(t.Context(), names, func(i int, obj *mirror.Object, err error) {
		if err != nil {
			t.Fatalf("%s: %v", names[i], err)
		}
		b := obj.Body
		if obj.Stream != nil {
			b = make([]byte, 150)
			if _, err := io.ReadFull(obj.Stream, b); err != nil {
				t.Errorf("%s: %v", names[i], err)
			}
			kept = append(kept, obj.Stream)
		}
		if want := content("/get/"+names[i], len(b)); string(b) != want {
			t.Errorf("%s: another file's body", names[i])
		}
	})
	if err != nil {
		t.Error(err)
	}
	for _, r := range kept {
		if n, err := r.Read(make([]byte, 10)); n != 0 || err == nil || err == io.EOF {
			t.Errorf("a stream that was kept gave %d bytes, %v", n, err)
		}
	}
}

// TestStreamToItsSize has a caller that reads the declared length and never
// sees io.EOF. The connection can be used again.
func TestStreamToItsSize(t *testing.T) {
	s := serveRaw(t, serveLengths)
	c := newClient(t, Options{BaseURL: s.url(), InlineLimit: 100})
	names := strings.Fields("5000/length 5001/length 7/length")
	err := c.Fetch(t.Context(), names, func(i int, obj *mirror.Object, err error) {
		if obj.Stream != nil {
			if _, err := io.ReadFull(obj.Stream, make([]byte, obj.Size)); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil || s.dials() != 1 {
		t.Errorf("%v, %d connections", err, s.dials())
	}
}
