package wire

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// answers are what an origin says to a get of "bad", asked for between others.
var answers = []struct {
	name, answer string
	close        bool   // then hang up
	body         string // wanted, unless err
	err          error
}{
	{name: "plain", answer: "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", body: "body"},
	{name: "empty", answer: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
	{name: "no reason", answer: "HTTP/1.1 200\r\nContent-Length: 4\r\n\r\nbody", body: "body"},
	{name: "short body", answer: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbody", close: true, err: mirror.ErrCut},
	{name: "cut head", answer: "HTTP/1.1 200 OK\r\nContent-Le", close: true, err: mirror.ErrCut},
	{name: "silence", answer: "", close: true, err: mirror.ErrCut},
	{name: "long body", answer: "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody and more", err: mirror.ErrFraming},
	{name: "surplus line", answer: "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody\r\n", err: mirror.ErrFraming},
	{name: "garbage first", answer: "??HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", err: mirror.ErrFraming},
	{name: "blank line first", answer: "\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", err: mirror.ErrFraming},
	{name: "no head", answer: "<html>hello</html>", err: mirror.ErrFraming},
	{name: "HTTP/2", answer: "HTTP/2 200 OK\r\nContent-Length: 4\r\n\r\nbody", err: mirror.ErrFraming},
	{name: "HTTP/1.2", answer: "HTTP/1.2 200 OK\r\nContent-Length: 4\r\n\r\nbody", err: mirror.ErrFraming},
	{name: "bad status", answer: "HTTP/1.1 2x0 OK\r\nContent-Length: 4\r\n\r\nbody", err: mirror.ErrFraming},
	{name: "status 099", answer: "HTTP/1.1 099 OK\r\nContent-Length: 4\r\n\r\nbody", err: mirror.ErrFraming},
	{name: "status 000", answer: "HTTP/1.1 000 OK\r\nContent-Length: 4\r\n\r\nbody", err: mirror.ErrFraming},
	{name: "status 65736", answer: "HTTP/1.1 65736 OK\r\nContent-Length: 4\r\n\r\nbody", err: mirror.ErrFraming},
	{name: "bare line feed", answer: "HTTP/1.1 200 OK\nContent-Length: 4\r\n\r\nbody", err: mirror.ErrFraming},
	{name: "bare line feeds", answer: "HTTP/1.1 200 OK\nContent-Length: 4\n\nbody", err: mirror.ErrFraming},
	{name: "blank line feed", answer: "HTTP/1.1 200 OK\r\nContent-Length: 4\n\nbody\r\n\r\n", err: mirror.ErrFraming},
	{name: "no colon", answer: "HTTP/1.1 200 OK\r\nContent-Length 4\r\n\r\nbody", err: mirror.ErrFraming},
	{name: "bad length", answer: "HTTP/1.1 200 OK\r\nContent-Length: 4x\r\n\r\nbody", err: mirror.ErrFraming},
	{name: "empty length", answer: "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nbody", err: mirror.ErrFraming},
	{name: "signed length", answer: "HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\nbody", err: mirror.ErrFraming},
	{name: "negative length", answer: "HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\nbody", err: mirror.ErrFraming},
	{name: "endless length", answer: "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nbody", err: mirror.ErrFraming},
	{name: "two lengths", answer: "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nbody", err: mirror.ErrFraming},
	{name: "list of lengths", answer: "HTTP/1.1 200 OK\r\nContent-Length: 4, 4\r\n\r\nbody", err: mirror.ErrFraming},
	{name: "length and chunks", answer: "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", err: mirror.ErrFraming},
	{name: "chunks and length", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length : 4\r\n\r\n4\r\nbody\r\n0\r\n\r\n", err: mirror.ErrFraming},
	{name: "chunks in 1.0", answer: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", close: true, err: mirror.ErrFraming},
	{name: "gzip transfer", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nbody", close: true, err: mirror.ErrFraming},
	{name: "two transfers", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", err: mirror.ErrFraming},
	{name: "list of transfers", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", err: mirror.ErrFraming},
	{name: "blank before the colon", answer: "HTTP/1.1 200 OK\r\nContent-Length : 4\r\n\r\nbody", err: mirror.ErrFraming},
	{name: "no name", answer: "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n: x\r\n\r\nbody", err: mirror.ErrFraming},
	{name: "folded line", answer: "HTTP/1.1 200 OK\r\nX: y\r\n Content-Length: 3\r\nContent-Length: 4\r\n\r\nbody", err: mirror.ErrFraming},
	{name: "bare return", answer: "HTTP/1.1 200 OK\r\nX: y\rContent-Length: 3\r\nContent-Length: 4\r\n\r\nbody", err: mirror.ErrFraming},
	{name: "bare return in the status", answer: "HTTP/1.1 200 O\rK\r\nContent-Length: 4\r\n\r\nbody", err: mirror.ErrFraming},
	{name: "later bare line feed", answer: "HTTP/1.1 200 OK\r\nX: y\nContent-Length: 4\r\n\r\nbody", err: mirror.ErrFraming},
	{name: "zero byte", answer: "HTTP/1.1 200 OK\r\nX: \x00\r\nContent-Length: 4\r\n\r\nbody", err: mirror.ErrFraming},
	{name: "many fields", answer: "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n" + strings.Repeat("X: y\r\n", maxFields-1) + "\r\nbody", body: "body"},
	{name: "too many fields", answer: "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n" + strings.Repeat("X: y\r\n", maxFields) + "\r\nbody", err: mirror.ErrFraming},
	{name: "long name", answer: "HTTP/1.1 200 OK\r\n" + strings.Repeat("x", maxName) + ": y\r\nContent-Length: 4\r\n\r\nbody", body: "body"},
	{name: "blanks around a length", answer: "HTTP/1.1 200 OK\r\nCONTENT-length:\t 4 \t\r\n\r\nbody", body: "body"},
	{name: "endless head", answer: "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 70<<10), err: mirror.ErrFraming},
	{name: "endless headers", answer: "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 12<<10), err: mirror.ErrFraming},

	{name: "chunked", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2;ext=\"a\"\r\ndy\r\n0\r\n\r\n", body: "body"},
	{name: "chunked empty", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	{name: "trailers", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n004\r\nbody\r\n0\r\nA: b\r\nC: d\r\n\r\n", body: "body"},
	{name: "chunk cut", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbod", close: true, err: mirror.ErrCut},
	{name: "last chunk cut", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n", close: true, err: mirror.ErrCut},
	{name: "trailer cut", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n", close: true, err: mirror.ErrCut},
	{name: "chunk too long", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody!\r\n0\r\n\r\n", err: mirror.ErrFraming},
	{name: "chunk no length", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nbody\r\n0\r\n\r\n", err: mirror.ErrFraming},
	{name: "chunk bad length", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x4\r\nbody\r\n0\r\n\r\n", err: mirror.ErrFraming},
	{name: "chunk length overflow", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000004\r\nbody\r\n0\r\n\r\n", err: mirror.ErrFraming},
	{name: "chunk bare line feed", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\nbody\r\n0\r\n\r\n", err: mirror.ErrFraming},
	{name: "chunk endless line", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;" + strings.Repeat("x", 70<<10), err: mirror.ErrFraming},
	{name: "endless trailer", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("A: b\r\n", 200), err: mirror.ErrFraming},

	{name: "until close", answer: "HTTP/1.1 200 OK\r\n\r\nbody", close: true, body: "body"},
	{name: "HTTP/1.0", answer: "HTTP/1.0 200 OK\r\n\r\nbody", close: true, body: "body"},
	{name: "HTTP/1.0 with length", answer: "HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nbody surplus", close: true, body: "body"},
	{name: "HTTP/1.0 keep-alive", answer: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nbody", body: "body"},
	{name: "connection close", answer: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody surplus", body: "body"},
	{name: "connection list", answer: "HTTP/1.1 200 OK\r\nConnection: foo ,Close\r\nContent-Length: 4\r\n\r\nbody surplus", body: "body"},

	{name: "interim", answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", body: "body"},
	{name: "interim for ever", answer: strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 50), err: mirror.ErrFraming},
	{name: "upgrade", answer: "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", err: mirror.ErrFraming},

	{name: "204", answer: "HTTP/1.1 204 No Content\r\n\r\n", err: statusCode(204)},
	{name: "206", answer: "HTTP/1.1 206 Partial\r\nContent-Length: 2\r\n\r\nbo", err: statusCode(206)},
	{name: "300", answer: "HTTP/1.1 300 Choices\r\nLocation: /x\r\nContent-Length: 2\r\n\r\nbo", err: statusCode(300)},
	{name: "304", answer: "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n", err: statusCode(304)},
	{name: "403", answer: "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno", err: statusCode(403)},
	{name: "404", answer: "HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", err: mirror.ErrGone},
	{name: "404 cut", answer: "HTTP/1.1 404 No\r\nContent-Length: 20\r\n\r\nno", close: true, err: mirror.ErrGone},
	{name: "404 until close", answer: "HTTP/1.1 404 No\r\n\r\nno", close: true, err: mirror.ErrGone},
	{name: "410", answer: "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", err: mirror.ErrGone},
	{name: "503 long", answer: "HTTP/1.1 503 Busy\r\nContent-Length: 300000\r\n\r\n" + strings.Repeat("x", 300000), err: statusCode(503)},
	{name: "503 endless", answer: "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("5\r\nxxxxx\r\n", 80000), err: statusCode(503)},

	{name: "too large", answer: "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\nx", err: mirror.ErrTooLarge},
	{name: "too large chunks", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("2710\r\n"+strings.Repeat("x", 10000)+"\r\n", 101), err: mirror.ErrTooLarge},
	{name: "too large until close", answer: "HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 1000001), close: true, err: mirror.ErrTooLarge},
	{name: "gzip", answer: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nbody", err: ErrEncoding},
	{name: "identity", answer: "HTTP/1.1 200 OK\r\nContent-Encoding: Identity\r\nContent-Length: 4\r\n\r\nbody", body: "body"},
}

// TestHostileResponses asks for five files of which the third is odd. Whatever it
// is, the others must come, and nothing under a wrong name.
func TestHostileResponses(t *testing.T) {
	for _, a := range answers {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			s := wiretest.Serve(t, func(c *wiretest.Conn) {
				for {
					target, ok := c.Next()
					switch {
					case !ok:
						return
					case target != "/get/bad":
						c.File(target)
						continue
					}
					c.Write([]byte(a.answer))
					if a.close {
						c.CloseGently()
						return
					}
				}
			})
			c := newClient(t, Options{URL: s.Base(), MaxFileSize: 1000000})
			// Before and after the guards are known.
			for _, names := range [][]string{{"a", "b", "bad", "c", "d"}, {"e", "f", "bad", "g", "h"}} {
				r := fetchAll(t, c, names...)
				for i, want := range []error{nil, nil, a.err, nil, nil} {
					body := "/get/" + names[i]
					if i == 2 {
						body = a.body
					}
					if want == nil && (r[i].err != nil || r[i].body != body) {
						t.Errorf("%s: %.60q, %v; want %q", names[i], r[i].body, r[i].err, body)
					}
					if want != nil && !matches(r[i].err, want) {
						t.Errorf("%s: %.60q, %v; want %v", names[i], r[i].body, r[i].err, want)
					}
				}
			}
			// Those before it again where it ended the round, the first of them alone
			// too where that round was the first of its connection; those behind it where
			// it did so as the first of one too, or was asked for alone.
			if n := s.Asked("/get/e"); n > 3 {
				t.Errorf("one before it was asked for %d times", n)
			}
			if n := s.Asked("/get/g"); n > 3 {
				t.Errorf("one behind it was asked for %d times", n)
			}
		})
	}
}

// TestBodiless has responses that have no body whatever they say of its length.
// They keep the connection.
func TestBodiless(t *testing.T) {
	for _, answer := range []string{
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		s := wiretest.Serve(t, func(c *wiretest.Conn) {
			for {
				target, ok := c.Next()
				switch {
				case !ok:
					return
				case strings.HasSuffix(target, "5"):
					c.Say("%s", answer)
				default:
					c.File(target)
				}
			}
		})
		c := newClient(t, Options{URL: s.Base()})
		teach(t, c)
		names := numbered(100)
		r := fetchAll(t, c, names...)
		for i := range r {
			if i%10 == 5 {
				if status, ok := errors.AsType[*mirror.StatusError](r[i].err); !ok || status.Code != 204 && status.Code != 304 {
					t.Errorf("%d: %v", i, r[i].err)
				}
				r[i] = result{body: "/get/" + names[i]}
			}
		}
		checkEcho(t, names, r)
		if s.Dials() != 2 || len(s.Targets()) != 2+100+guardWord(100) {
			t.Errorf("%.40q: %d connections, %d requests", answer, s.Dials(), len(s.Targets()))
		}
	}
}

// TestBodyTakesNextHead has a length so long that the next response's head ends
// the body. When the file is asked for alone, the rest of it never comes.
func TestBodyTakesNextHead(t *testing.T) {
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for {
			target, ok := c.Next()
			if !ok {
				return
			}
			if target == "/get/bad" {
				c.Say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbody")
				continue
			}
			c.File(target)
		}
	})
	soon := quick
	soon.Idle = time.Second // that the others come within on a busy machine
	c := newClient(t, Options{URL: s.Base(), Timeouts: soon})
	teach(t, c)
	r := fetchAll(t, c, "a", "bad", "c", "d", "e")
	if r[0].body != "/get/a" || !errors.Is(r[1].err, mirror.ErrCut) || r[2].body != "/get/c" || r[3].body != "/get/d" || r[4].body != "/get/e" {
		t.Errorf("%+v", r)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "x": 0, "-5": 0, "0": 0, "7": 7 * time.Second, "99999": maxRetryAfter,
		"99999999999999999999999":       maxRetryAfter,
		"Fri, 02 Jan 2026 03:04:25 GMT": 20 * time.Second,
		"Fri, 02 Jan 2026 03:04:00 GMT": 0,
		"Fri, 02 Jan 2099 03:04:00 GMT": maxRetryAfter,
	} {
		if got := parseRetryAfter(value, now); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for {
			if _, ok := c.Next(); !ok {
				return
			}
			c.Say("HTTP/1.1 429 Slow down\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n")
		}
	})
	c := newClient(t, Options{URL: s.Base()})
	for _, r := range fetchAll(t, c, "a", "b") {
		status, ok := errors.AsType[*mirror.StatusError](r.err)
		if !ok || status.Code != 429 || status.RetryAfter != 7*time.Second || !mirror.Temporary(r.err) {
			t.Errorf("%#v", r.err)
		}
	}
	if _, err := fetchOne(t.Context(), c, "/x"); !mirror.Temporary(err) || !matches(err, statusCode(429)) {
		t.Errorf("One: %v", err)
	}
	// Nothing was learned from these, so each is the first of a connection; the
	// last of them is used again.
	if s.Dials() != 2 {
		t.Errorf("%d connections", s.Dials())
	}
}
