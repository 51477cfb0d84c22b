package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror"
)

// canned is a connection on which everything was said before, in pieces of a length.
type canned struct {
	net.Conn
	text  []byte
	piece int
}

func (c *canned) SetReadDeadline(time.Time) error { return nil }

func (c *canned) Read(p []byte) (int, error) {
	if len(c.text) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.piece)], c.text)
	c.text = c.text[n:]
	return n, nil
}

// fuzzLimit bounds a body, in bytes.
const fuzzLimit = 1 << 20

// response is what the client makes of a text, whole or not at all.
type response struct {
	status int
	body   string
	err    error
}

func readCanned(c *Client, text []byte, piece int) (r response) {
	raw := &canned{text: text, piece: piece}
	cn := c.newConn(raw, raw)
	cn.call = c.begin(c.ctx)
	defer cn.call.end()
	if r.err = cn.readHead(); r.err != nil {
		return r
	}
	if wait := cn.retryAfter(); wait < 0 || wait > maxRetryAfter {
		r.err = fmt.Errorf("a wait of %v", wait)
	}
	cn.modTime()
	b := cn.body(fuzzLimit)
	body, err := ReadUpTo(nil, &b, fuzzLimit+1)
	if r.status, r.body = cn.head.status, string(body); !errors.Is(err, io.EOF) {
		r.err = errors.Join(r.err, err)
	}
	return r
}

// readStandard is what net/http makes of it.
func readStandard(text []byte) (r response) {
	br := bufio.NewReader(bytes.NewReader(text))
	for {
		found, err := http.ReadResponse(br, nil)
		if err != nil {
			return response{err: err}
		}
		if found.StatusCode < 200 {
			continue
		}
		body, err := io.ReadAll(io.LimitReader(found.Body, fuzzLimit+1))
		return response{found.StatusCode, string(body), err}
	}
}

func fuzzClient(f *testing.F) *Client {
	c, err := New(Options{URL: &url.URL{Scheme: "http", Host: "example.invalid"}, Timeouts: quick})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { c.Close() })
	return c
}

// checkResponse holds what the client reads against net/http, which is not so strict,
// and against itself reading in pieces. Only what comes behind a response may be found
// or not, as the pieces fall.
func checkResponse(t *testing.T, c *Client, text []byte, piece int) {
	t.Helper()
	got := readCanned(c, text, len(text)+1)
	if got.err != nil {
		if !errors.Is(got.err, mirror.ErrFraming) && !errors.Is(got.err, mirror.ErrCut) && !errors.Is(got.err, mirror.ErrTooLarge) {
			t.Fatalf("%q gives %v", text, got.err)
		}
		return
	}
	if want := readStandard(text); want.err == nil && got != want {
		t.Fatalf("%q is %+v, want %+v", text, got, want)
	}
	if again := readCanned(c, text, piece); again != got {
		t.Fatalf("%q is %+v, and in pieces of %d bytes %+v", text, got, piece, again)
	}
}

func FuzzHead(f *testing.F) {
	c := fuzzClient(f)
	for _, a := range answers {
		if len(a.answer) < 1<<10 {
			f.Add([]byte(a.answer), byte(1))
		}
	}
	f.Add([]byte("HTTP/1.1 503 Busy\r\nRetry-After: Sat, 01 Jan 2000 00:00:00 GMT\r\nLast-Modified: Sat, 01 Jan 2000 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n"), byte(7))
	f.Fuzz(func(t *testing.T, text []byte, piece byte) { checkResponse(t, c, text, 1+int(piece)) })
}

// FuzzChunks is FuzzHead behind the head of a chunked response.
func FuzzChunks(f *testing.F) {
	c := fuzzClient(f)
	const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, a := range answers {
		if chunks, ok := strings.CutPrefix(a.answer, head); ok && len(chunks) < 1<<10 {
			f.Add([]byte(chunks), byte(1))
		}
	}
	f.Fuzz(func(t *testing.T, chunks []byte, piece byte) {
		checkResponse(t, c, append([]byte(head), chunks...), 1+int(piece))
	})
}
