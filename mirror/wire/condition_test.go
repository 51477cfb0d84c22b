package wire

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// tagOf is the ETag of a target's first version.
func tagOf(target string) string { return `"1 of ` + target + `"` }

// isChanged says which files of numbered are not as they were: two out of three.
func isChanged(target string) bool { return (target[len(target)-1]-'0')%3 != 0 }

// conditional is a batch that has the first version of each name.
func conditional(f *fetch) *Batch {
	b := f.batch(false)
	b.Fields = func(dst []byte, i int) []byte {
		return fmt.Appendf(dst, "If-None-Match: %s\r\n", tagOf("/get/"+f.names[i]))
	}
	return b
}

// answerTo answers as a server that knows of versions.
func answerTo(c *wiretest.Conn, target string) string {
	if have := c.Field("If-None-Match"); have == tagOf(target) && !isChanged(target) {
		return wiretest.NotModified(have)
	}
	return wiretest.OK(target)
}

// checkVersions asks for names, and again for those with an error that may pass,
// until for each of them the server said what is so.
func checkVersions(t *testing.T, c *Client, names []string) {
	t.Helper()
	todo := names
	for range 8 {
		f := newFetch(t, todo)
		if err := c.Get(t.Context(), conditional(f)); err != nil {
			t.Fatal(err)
		}
		var again []string
		for i, r := range f.results {
			target := "/get/" + todo[i]
			status, _ := errors.AsType[*mirror.StatusError](r.err)
			switch unchanged := status != nil && status.Code == 304; {
			case unchanged && (isChanged(target) || string(r.ans.ETag) != tagOf(target)), r.err == nil && (!isChanged(target) || r.body != target):
				t.Fatalf("%s: %q, %v, ETag %s", target, r.body, r.err, r.ans.ETag)
			case r.err != nil && !unchanged && !mirror.Temporary(r.err):
				t.Errorf("%s: %v", target, r.err)
			case r.err != nil && !unchanged:
				again = append(again, todo[i])
			}
		}
		if todo = again; len(todo) == 0 {
			return
		}
	}
	t.Errorf("%d names never came, as %s", len(todo), todo[0])
}

// TestConditions has each request of a round carry a condition of its own.
func TestConditions(t *testing.T) {
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for {
			target, ok := c.Next()
			if !ok {
				return
			}
			if have := c.Field("If-None-Match"); have != "" && have != tagOf(target) {
				t.Errorf("%s is asked for with %s", target, have)
			}
			c.Write([]byte(answerTo(c, target)))
		}
	})
	for _, pipeline := range []int{1, 8, 1 << 20} {
		s.Forget()
		c := newClient(t, Options{URL: s.Base(), Pipeline: pipeline})
		checkVersions(t, c, numbered(1000))
		if n := len(s.Targets()); s.Dials() > 5 || n > 1000+10*guardWord(1000) {
			t.Errorf("pipeline %d: %d connections, %d requests", pipeline, s.Dials(), n)
		}
	}
}

// TestNothingIsModified has a server answer with nothing but 304s. Its files are
// asked for without a condition to learn guards from.
func TestNothingIsModified(t *testing.T) {
	for _, size := range []int{0, shortGuard, maxGuard} { // beside the targets that make them differ
		s := wiretest.Serve(t, func(c *wiretest.Conn) {
			for {
				target, ok := c.Next()
				switch have := c.Field("If-None-Match"); {
				case !ok:
					return
				case have != "":
					c.Say("%s", wiretest.NotModified(have))
				case c.Range != "":
					sayPart(c, target+strings.Repeat("x", size))
				default:
					c.File(target + strings.Repeat("x", size))
				}
			}
		})
		for _, pipeline := range []int{0, 1 << 20} {
			s.Forget()
			c := newAuto(t, Options{URL: s.Base(), Pipeline: pipeline})
			f := newFetch(t, numbered(3000))
			if err := c.Get(t.Context(), conditional(f)); err != nil {
				t.Fatal(err)
			}
			for i, r := range f.results {
				if !matches(r.err, statusCode(304)) || string(r.ans.ETag) != tagOf("/get/"+f.names[i]) {
					t.Fatalf("%s: %+v", f.names[i], r)
				}
			}
			if s.Dials() > 10 || !c.guards.enough() {
				t.Errorf("%d bytes, pipeline %d: %d connections, guards: %v", size, pipeline, s.Dials(), c.guards.enough())
			}
		}
	}
}

// TestNotModifiedHasTime has the time of a 304 told, and one that nobody asked for
// be a status like others.
func TestNotModifiedHasTime(t *testing.T) {
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for _, ok := c.Next(); ok; _, ok = c.Next() {
			c.Say("HTTP/1.1 304 Not Modified\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n")
		}
	})
	for _, r := range fetchAll(t, newClient(t, Options{URL: s.Base()}), "a", "b", "c") {
		if !matches(r.err, statusCode(304)) || r.ans.ModTime != 784111777 || len(r.ans.ETag) != 0 {
			t.Errorf("%+v", r)
		}
	}
}

// TestNotModifiedAndClosed has each connection end after a few responses, some of
// them 304s, with others on their way.
func TestNotModifiedAndClosed(t *testing.T) {
	for _, k := range []int{1, 2, 7, 100} {
		for _, warned := range []bool{true, false} {
			s := wiretest.Serve(t, func(c *wiretest.Conn) {
				for i := range k {
					target, ok := c.Next()
					if !ok {
						return
					}
					answer := answerTo(c, target)
					if warned && i == k-1 {
						answer = strings.Replace(answer, "\r\n", "\r\nConnection: close\r\n", 1)
					}
					c.Write([]byte(answer))
				}
				c.CloseGently()
			})
			for _, pipeline := range []int{1, 1 << 20} {
				checkVersions(t, newClient(t, Options{URL: s.Base(), Pipeline: pipeline}), numbered(300))
			}
		}
	}
}

// TestShiftedNotModified has one response in the middle of a round be doubled, left
// out, or come with a 304 that nobody asked for, so that each 304 behind it moves
// to another file. None is believed of a file that has changed. As the first of its
// connection the file is answered rightly.
func TestShiftedNotModified(t *testing.T) {
	names := numbered(300)
	for what, shift := range map[string]func(own, unasked string) (now, later string){
		"twice":         func(own, _ string) (now, later string) { return own, own },
		"one 304 more":  func(own, unasked string) (now, later string) { return own, unasked },
		"four more":     func(own, unasked string) (now, later string) { return own, strings.Repeat(unasked, 4) },
		"a 304 before":  func(own, unasked string) (now, later string) { return unasked, own },
		"left out":      func(string, string) (now, later string) { return "", "" },
		"304 with body": func(own, _ string) (now, later string) { return own, "body" },
	} {
		for _, odd := range []string{names[150], names[151]} { // one is as it was, and one is not
			t.Run(what+"/"+odd, func(t *testing.T) {
				settings(t, func(t *testing.T, pipeline int, late time.Duration) {
					switch {
					case what == "left out" && pipeline == 1:
						return // it hangs, and nothing is wrong
					case what == "a 304 before" && late > 0:
						return // one instead of the other, which no client can see
					}
					seed := rand.Uint64()
					t.Logf("seed %d", seed)
					s := wiretest.Serve(t, func(c *wiretest.Conn) {
						l := wiretest.NewLate(c, seed)
						defer l.Wait()
						for k := 0; ; k++ {
							target, ok := c.Next()
							if !ok {
								return
							}
							own := answerTo(c, target)
							if target != "/get/"+odd || k == 0 || pipeline != 1 && c.Buf.Buffered() == 0 {
								l.Send(own)
								continue
							}
							now, later := shift(own, wiretest.NotModified(tagOf(target)))
							l.Send(now)
							l.After(late, later)
						}
					})
					soon := quick
					soon.Idle, soon.Probe = 200*time.Millisecond, 200*time.Millisecond
					c := newAuto(t, Options{URL: s.Base(), Pipeline: pipeline, Timeouts: soon})
					checkVersions(t, c, names)
				})
			})
		}
	}
}
