package wire

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// TestEndless has a 200 that never ends, as fast as it is taken. It costs its
// limit and its connection, and not the files behind it.
func TestEndless(t *testing.T) {
	for _, how := range []string{"Transfer-Encoding: chunked\r\n", "", "Content-Length: 4611686018427387904\r\n"} {
		for _, inline := range []int{100, 1 << 20} {
			var sent atomic.Int64
			s := wiretest.Serve(t, func(c *wiretest.Conn) {
				for {
					target, ok := c.Next()
					if !ok {
						return
					}
					if target != "/get/bad" {
						c.File(target)
						continue
					}
					c.Say("HTTP/1.1 200 OK\r\n%s\r\n", how)
					for junk := []byte("400\r\n" + strings.Repeat("x", 1024) + "\r\n"); ; {
						n, err := c.Write(junk)
						sent.Add(int64(n))
						if err != nil {
							return
						}
					}
				}
			})
			c := newClient(t, Options{URL: s.Base(), InlineLimit: inline, MaxFileSize: 1 << 20})
			r := fetchAll(t, c, "a", "bad", "b", "c")
			if !errors.Is(r[1].err, mirror.ErrTooLarge) || mirror.Temporary(r[1].err) || len(r[1].body) > 1<<20 {
				t.Errorf("%q: %d bytes, %v", how, len(r[1].body), r[1].err)
			}
			checkEcho(t, []string{"a", "b", "c"}, []result{r[0], r[2], r[3]})
			if n := sent.Load(); n > 32<<20 {
				t.Errorf("%q: the origin got rid of %d bytes", how, n)
			}
		}
	}
}

// TestDefaultMaxFileSize refuses what is a byte over the default, and not what
// is just under it; not that much is sent.
func TestDefaultMaxFileSize(t *testing.T) {
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for {
			target, ok := c.Next()
			if !ok {
				return
			}
			var n int64
			if fmt.Sscanf(target, "/get/%d", &n); n == 0 {
				c.File(target)
				continue
			}
			c.Say("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nbegin", n)
			c.CloseGently()
			return
		}
	})
	c := newClient(t, Options{URL: s.Base()})
	r := fetchAll(t, c, "17179869185", "a", "17179869184", "b")
	if !errors.Is(r[0].err, mirror.ErrTooLarge) || !strings.Contains(r[0].err.Error(), "17179869184") {
		t.Error(r[0].err)
	}
	if !r[2].stream || r[2].ans.Size != 16<<30 || !errors.Is(r[2].err, mirror.ErrCut) {
		t.Errorf("%d, %v", r[2].ans.Size, r[2].err)
	}
	checkEcho(t, []string{"a", "b"}, []result{r[1], r[3]})
}

// TestAnswerBeforeRequest has an origin that speaks first: an answer to nothing
// must not become that of the first request.
func TestAnswerBeforeRequest(t *testing.T) {
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		if c.N == 0 {
			c.File("nobody asked")
		}
		wiretest.Echo(c)
	})
	for _, names := range [][]string{{"a"}, {"a", "b", "c"}} {
		c := newClient(t, Options{URL: s.Base(), Dial: wiretest.DialSettled})
		s.Forget()
		checkEcho(t, names, fetchAll(t, c, names...))
		// One that is not asked, two that guards are learned on, and one for
		// all others.
		if want := 1 + min(2, len(names)) + len(names)/3; s.Dials() != want {
			t.Errorf("%d connections, want %d", s.Dials(), want)
		}
	}
	always := wiretest.Serve(t, func(c *wiretest.Conn) { c.File("nobody asked"); wiretest.Echo(c) })
	c := newClient(t, Options{URL: always.Base(), Dial: wiretest.DialSettled})
	for _, r := range fetchAll(t, c, numbered(10)...) {
		if !errors.Is(r.err, mirror.ErrUnreachable) || !strings.Contains(r.err.Error(), "before it was asked") {
			t.Errorf("%q, %v", r.body, r.err)
		}
	}
	if _, err := fetchOne(t.Context(), c, "/x"); !errors.Is(err, mirror.ErrUnreachable) {
		t.Error(err)
	}
}

// TestNoWrongName has streams of answers that are cut and lengthened in random
// places, some so that what is inserted is an answer itself. A body says whose
// it is, so one under another file's name shows.
func TestNoWrongName(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	junk := []string{"\r\n", "x", "HTTP/1.1 ", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong",
		"\x00\x00", "junk\r\n\r\n"}
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		r := rand.New(rand.NewPCG(seed, uint64(c.N)))
		for {
			target, ok := c.Next()
			if !ok {
				return
			}
			answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(target), target)
			if r.IntN(3) == 0 {
				answer = fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(target), target)
			}
			switch r.IntN(100) {
			case 0:
				io.WriteString(c, answer[:r.IntN(len(answer))])
				c.CloseGently()
				return
			case 1:
				answer += junk[r.IntN(len(junk))]
			case 2:
				answer = junk[r.IntN(len(junk))] + answer
			case 3: // a longer body than is declared
				answer += target[r.IntN(len(target)):]
			case 4:
				answer = strings.Replace(answer, "Content-Length: ", "Content-Length: 1", 1)
				io.WriteString(c, answer)
				c.CloseGently()
				return
			}
			io.WriteString(c, answer)
		}
	})
	names, right := numbered(500), 0
	for range 40 {
		// After a few answers in doubt a client pipelines no more.
		c := newClient(t, Options{URL: s.Base()})
		for i, r := range fetchAll(t, c, names...) {
			if r.err != nil {
				continue
			}
			if right++; r.body != "/get/"+names[i] {
				t.Errorf("%s: %q", names[i], r.body)
			}
		}
	}
	if right < 40*500/2 {
		t.Errorf("%d of %d came", right, 40*500)
	}
}
