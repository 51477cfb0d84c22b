package origin

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror"
)

// TestShiftedAnswers has an origin that is well but for one file in the middle
// of a pipeline, on which every answer behind it moves to another request. What
// came with it is taken back, and everything comes in the end.
func TestShiftedAnswers(t *testing.T) {
	names := numbered(300)
	odd := "/get/" + names[150]
	for what, answer := range map[string]func(next string) string{
		"twice":                 func(string) string { return ok(odd) + ok(odd) },
		"one that nobody asked": func(string) string { return ok(odd) + ok("out of nothing") },
		"too short a length": func(string) string {
			return strings.Replace(ok(odd+ok("inner")), fmt.Sprint(len(odd+ok("inner"))), fmt.Sprint(len(odd)), 1)
		},
		"surplus bytes": func(string) string { return ok(odd) + "xyz" },
		"none": func(next string) string { // it swallows the next one's
			return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(odd)+len(ok(next)), odd)
		},
	} {
		t.Run(what, func(t *testing.T) {
			s := serveRaw(t, func(c *rawConn) {
				var unsent strings.Builder // so that all of a pipeline comes in one piece
				for {
					target, more := c.next()
					if !more {
						return
					}
					switch {
					case target == odd && c.br.Buffered() > 0:
						unsent.WriteString(answer("/get/" + names[151]))
					default:
						unsent.WriteString(ok(target))
					}
					if c.br.Buffered() == 0 {
						c.Write([]byte(unsent.String()))
						unsent.Reset()
					}
				}
			})
			soon := quick
			soon.idle = 30 * time.Millisecond
			off, doubts := 0, 0
			c := newClient(t, Options{BaseURL: s.url(), timing: soon, OnPipelineOff: func(string) { off++ }})
			for range maxStalls + 1 {
				results, err := fetchCtx(t.Context(), t, c, names)
				switch {
				case errors.Is(err, mirror.ErrDesync):
					doubts++
				case err != nil:
					t.Fatal(err)
				default:
					checkEcho(t, names, results)
				}
			}
			want := maxDesyncs
			if what == "none" {
				want = maxStalls
			}
			if doubts != want || off != 1 {
				t.Errorf("%d calls taken back, pipelining turned off %d times", doubts, off)
			}
		})
	}
}

// TestSurplusOfTheLastRound has the surplus at the very end of a call.
func TestSurplusOfTheLastRound(t *testing.T) {
	s := serveRaw(t, func(c *rawConn) {
		for {
			target, more := c.next()
			if !more {
				return
			}
			if strings.HasSuffix(target, "99") {
				c.Write([]byte(ok(target) + ok(target)))
			} else {
				c.file(target)
			}
		}
	})
	var reason string
	c := newClient(t, Options{BaseURL: s.url(), OnPipelineOff: func(r string) { reason = r }})
	names := numbered(100)
	if _, err := fetchCtx(t.Context(), t, c, names); !errors.Is(err, mirror.ErrDesync) {
		t.Fatalf("the first call says %v", err)
	}
	for i := range maxDesyncs {
		_, err := fetchCtx(t.Context(), t, c, names)
		if !errors.Is(err, mirror.ErrDesync) && i < maxDesyncs-1 {
			t.Error(i, err)
		}
	}
	if !strings.Contains(reason, "more answers than requests") {
		t.Errorf("turned off for %q", reason)
	}
}

// TestLengthless has an origin of which one file in a pipeline has no length: it
// is asked for again alone, and the rest is pipelined as before.
func TestLengthless(t *testing.T) {
	names := numbered(100)
	odd := "/get/" + names[50]
	s := serveRaw(t, func(c *rawConn) {
		for {
			target, more := c.next()
			if !more {
				return
			}
			if target == odd {
				c.say("HTTP/1.1 200 OK\r\n\r\n%s", target)
				c.closeGently()
				return
			}
			c.file(target)
		}
	})
	c := newClient(t, Options{BaseURL: s.url(), OnPipelineOff: func(r string) { t.Error(r) }})
	checkEcho(t, names, fetchAll(t, c, names...))
	if n := s.asked(odd); n != 2 {
		t.Errorf("asked for it %d times", n)
	}
}

func ok(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}
