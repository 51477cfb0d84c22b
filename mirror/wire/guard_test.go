package wire

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror/wire/wiretest"
)

const absent = "/.absent"

// TestGuardsOfAlikeFiles has files that are all the same: then something that is
// not there is asked for, once, and serves to tell responses apart.
func TestGuardsOfAlikeFiles(t *testing.T) {
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for {
			target, ok := c.Next()
			switch {
			case !ok:
				return
			case target == absent:
				c.Say("HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno")
			default:
				c.File("same")
			}
		}
	})
	c := newClient(t, Options{URL: s.Base(), Absent: absent})
	names := numbered(1000)
	for _, r := range fetchAll(t, c, names...) {
		if r.err != nil || r.body != "same" {
			t.Fatalf("%+v", r)
		}
	}
	p := guardsOf(c)
	if p == nil || p[0].status != 200 || p[1].status != 404 {
		t.Fatalf("%+v", p)
	}
	// The first and those that are like it; one on which it is asked for what is not
	// there; and one for each round of the rest, as each has all that there is.
	if s.Dials() > 1+maxAlike+1+3 {
		t.Errorf("%d connections", s.Dials())
	}
	before := s.Asked(absent)
	fetchAll(t, c, names...)
	if n := s.Asked(absent) - before; n > 2*3 { // in each round's guards three times
		t.Errorf("asked %d times in one more call", n)
	}
}

// TestNothingToTellApart has a server that says the same to everything: each
// request is the first of its connection, and all is right.
func TestNothingToTellApart(t *testing.T) {
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for _, ok := c.Next(); ok; _, ok = c.Next() {
			c.File("same")
		}
	})
	for _, pipeline := range []int{0, 1 << 20} {
		s.Forget()
		var off offs
		c := newAuto(t, Options{URL: s.Base(), Absent: absent, Pipeline: pipeline, OnPipelineOff: off.add})
		names := numbered(100)
		for _, r := range fetchAll(t, c, names...) {
			if r.err != nil || r.body != "same" {
				t.Fatalf("%+v", r)
			}
		}
		if s.Dials() != len(names)+1 || s.Asked(absent) != 1 {
			t.Errorf("%d connections, %d times what is not there", s.Dials(), s.Asked(absent))
		}
		if off.all() != "" || pipeline == 0 && !c.pipelining.unknown() {
			t.Errorf("decided on nothing: %q", off.all())
		}
	}
}

// TestAbsentBusy has the server busy when it is asked for what is not there: it is
// asked again some other time.
func TestAbsentBusy(t *testing.T) {
	var times atomic.Int32
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for {
			target, ok := c.Next()
			switch {
			case !ok:
				return
			case target == absent && times.Add(1) == 1:
				c.Say("HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno")
			case target == absent:
				c.Say("HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno")
			default:
				c.File("same")
			}
		}
	})
	c := newClient(t, Options{URL: s.Base(), Absent: absent})
	fetchAll(t, c, numbered(100)...)
	if !c.guards.enough() {
		t.Errorf("nothing learned from 100 files; asked %d times", times.Load())
	}
}

// serveLarge answers every get with a file of n bytes of its own, of which the
// first is what first says; ranges says whether parts of it are served.
func serveLarge(n int, first func(target string) byte, ranges bool) func(c *wiretest.Conn) {
	return func(c *wiretest.Conn) {
		for {
			target, ok := c.Next()
			switch {
			case !ok:
				return
			case target == absent:
				c.Say("HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno")
			case ranges && c.Range != "":
				sayPart(c, large(target, n, first))
			default:
				c.File(large(target, n, first))
			}
		}
	}
}

// sayPart answers a request for the beginning of a file.
func sayPart(c *wiretest.Conn, file string) {
	last := 0
	if _, err := fmt.Sscanf(c.Range, "bytes=0-%d", &last); err != nil {
		panic(err)
	}
	last = min(last, len(file)-1)
	c.Say("HTTP/1.1 206 Part\r\nContent-Range: bytes 0-%d/%d\r\nContent-Length: %d\r\n\r\n%s", last, len(file), last+1, file[:last+1])
}

func large(target string, n int, first func(target string) byte) string {
	return string(first(target)) + content(target, n-1)
}

// TestGuardsOfLargeFiles has files that are all long. The first byte of each
// serves as a guard, where there are ranges; where all have the same one, so does
// what is not there.
func TestGuardsOfLargeFiles(t *testing.T) {
	same := func(string) byte { return 'P' }
	differing := func(target string) byte { return target[len(target)-1] }
	for _, n := range []int{shortGuard + 1, maxGuard, 100 << 10} {
		for what, first := range map[string]func(string) byte{"same": same, "differing": differing} {
			for _, ranges := range []bool{true, false} {
				t.Run(fmt.Sprintf("%d/%s/ranges=%v", n, what, ranges), func(t *testing.T) {
					s := wiretest.Serve(t, serveLarge(n, first, ranges))
					c := newClient(t, Options{URL: s.Base(), Absent: absent})
					names := numbered(40)
					results, spools := fetchSpooled(t, c, names...)
					for i, r := range results {
						if r.err != nil || r.body != large("/get/"+names[i], n, first) {
							t.Fatalf("%s: %d bytes, %v", names[i], len(r.body), r.err)
						}
					}
					p := guardsOf(c)
					switch {
					case ranges:
						if p == nil || len(p) != maxParts || p[0].status != 206 || p[maxParts-1].part != maxParts {
							t.Errorf("%+v", p)
						}
					case n <= maxGuard:
						if p == nil || p[0].part > 0 || p[1].part > 0 {
							t.Errorf("%+v", p)
						}
					case p != nil:
						t.Errorf("%+v", p)
					}
					if long := n > 64<<10; p != nil && (spools > 0) != long {
						t.Errorf("%d spooled", spools)
					}
					if p != nil && s.Dials() > 8 {
						t.Errorf("%d connections", s.Dials())
					}
					// Nothing learned: alone, and none is asked for in vain for ever.
					if extra := len(s.Targets()) - len(names); p == nil && extra > maxAlike+1 {
						t.Errorf("%d more requests than files", extra)
					}
				})
			}
		}
	}
}

// TestGuardChanges has a guard become something else in the middle of everything.
// That is no reason to doubt the server; everything comes.
func TestGuardChanges(t *testing.T) {
	for what, change := range map[string]func(c *wiretest.Conn, target string) (goesOn bool){
		"another":      func(c *wiretest.Conn, target string) bool { c.File("another"); return true },
		"as the other": func(c *wiretest.Conn, target string) bool { c.File("/get/teach/2"); return true },
		"empty":        func(c *wiretest.Conn, target string) bool { c.File(""); return true },
		"gone": func(c *wiretest.Conn, target string) bool {
			c.Say("HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno")
			return true
		},
		"moved": func(c *wiretest.Conn, target string) bool {
			c.Say("HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n")
			return true
		},
		"busy for ever": func(c *wiretest.Conn, target string) bool {
			c.Say("HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno")
			return true
		},
		"until the end": func(c *wiretest.Conn, target string) bool {
			c.Say("HTTP/1.1 200 OK\r\n\r\nx")
			c.CloseGently()
			return false
		},
		"large":     func(c *wiretest.Conn, target string) bool { c.File(strings.Repeat("x", 2*maxGuard)); return true },
		"malformed": func(c *wiretest.Conn, target string) bool { c.Say("garbage"); return false },
		"hangs up":  func(c *wiretest.Conn, target string) bool { c.CloseGently(); return false },
		"hangs":     func(c *wiretest.Conn, target string) bool { io.Copy(io.Discard, c.Buf); return false },
	} {
		for _, guard := range []string{"/get/teach/1", "/get/teach/2"} {
			for name, pipeline := range map[string]int{"on": 1 << 20, "window": 8, "off": 1, "auto": 0} {
				if what == "as the other" && guard == "/get/teach/2" {
					continue // it is that
				}
				t.Run(what+guard+"/"+name, func(t *testing.T) {
					t.Parallel()
					var changed atomic.Bool
					var asked atomic.Int64
					s := wiretest.Serve(t, func(c *wiretest.Conn) {
						for {
							target, ok := c.Next()
							switch {
							case !ok:
								return
							case target == guard && changed.Load():
								if !change(c, target) {
									return
								}
							default:
								if asked.Add(1) == 500 {
									changed.Store(true)
								}
								c.File(target)
							}
						}
					})
					soon := quick
					if what == "hangs" {
						soon.Idle = 400 * time.Millisecond
					}
					var off offs
					c := newAuto(t, Options{URL: s.Base(), Pipeline: pipeline, Timeouts: soon, OnPipelineOff: off.add, Absent: absent})
					teach(t, c)
					names := numbered(1500)
					checkAllCome(t, c, names, false, "")
					if !changed.Load() || !c.guards.enough() {
						t.Error("nothing changed, or nothing was learned instead")
					}
					if slices.ContainsFunc(guardsOf(c), func(k *known) bool { return k.target == guard }) {
						t.Error("it is still a guard")
					}
					if off.all() != "" || c.pipelining.desyncs.Load() > 0 {
						t.Errorf("off: %q, %d rounds out of step", off.all(), c.pipelining.desyncs.Load())
					}
					before := s.Dials()
					checkAllCome(t, c, names, false, "")
					if n := s.Dials() - before; n > 4 {
						t.Errorf("%d connections after that", n)
					}
				})
			}
		}
	}
}

// TestGuardBusyForAWhile has a guard that is answered with 503 a few times: it is
// asked for again at once, and what came before is not.
// TestGuardChangesBeforeTheProbe has a guard be another file, or none, by the time that
// the client finds out whether the server can pipeline: that says nothing of it.
func TestGuardChangesBeforeTheProbe(t *testing.T) {
	for what, answer := range map[string]string{"another": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nxy", "gone": "HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno"} {
		for _, guard := range []string{"/get/teach/1", "/get/teach/2"} {
			t.Run(what+guard, func(t *testing.T) {
				t.Parallel()
				var changed atomic.Bool
				s := wiretest.Serve(t, func(c *wiretest.Conn) {
					for target, ok := c.Next(); ok; target, ok = c.Next() {
						if target == guard && changed.Load() {
							c.Say("%s", answer)
						} else {
							c.File(target)
						}
					}
				})
				var off offs
				c := newAuto(t, Options{URL: s.Base(), OnPipelineOff: off.add})
				teach(t, c)
				changed.Store(true)
				for range 2 {
					checkAllCome(t, c, numbered(1500), false, "")
				}
				if off.all() != "" || c.pipelining.depth() == 1 {
					t.Errorf("off: %q, depth %d", off.all(), c.pipelining.depth())
				}
			})
		}
	}
}

func TestGuardBusyForAWhile(t *testing.T) {
	for _, pipeline := range []int{0, 1, 8, 1 << 20} {
		for busy := 1; busy <= guardRetries; busy++ {
			var left atomic.Int32
			s := wiretest.Serve(t, func(c *wiretest.Conn) {
				for {
					target, ok := c.Next()
					switch {
					case !ok:
						return
					case target == "/get/teach/1" && left.Add(-1) >= 0:
						c.Say("HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno")
					default:
						c.File(target)
					}
				}
			})
			c := newAuto(t, Options{URL: s.Base(), Pipeline: pipeline})
			teach(t, c)
			teachAll(t, c, teachers()...) // and the probe
			p := guardsOf(c)
			left.Store(int32(busy))
			s.Forget()
			names := numbered(300)
			checkEcho(t, names, fetchAll(t, c, names...))
			if s.Most(isName) != 1 || !slices.Equal(guardsOf(c), p) || c.pipelining.desyncs.Load() > 0 || s.Dials() > 1 {
				t.Errorf("pipeline %d, busy %d times: asked %d times, %d connections", pipeline, busy, s.Most(isName), s.Dials())
			}
		}
	}
}

// TestGuardSamples has files that cannot be guards before some that can: gone,
// moved, without a length, long where there are no ranges.
func TestGuardSamples(t *testing.T) {
	names := numbered(100)
	special := map[string]string{
		"/get/" + names[0]: "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
		"/get/" + names[1]: "HTTP/1.1 302 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
		"/get/" + names[2]: wiretest.OK(strings.Repeat("x", 70000)),
		"/get/" + names[3]: wiretest.OK(""),
		"/get/" + names[4]: wiretest.OK(""),
	}
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for {
			target, ok := c.Next()
			switch {
			case !ok:
				return
			case special[target] != "":
				c.Say("%s", special[target])
			default:
				c.File(target)
			}
		}
	})
	c := newAuto(t, Options{URL: s.Base()})
	r := fetchAll(t, c, names...)
	checkEcho(t, names[5:], r[5:])
	if !matches(r[0].err, statusCode(404)) || r[1].ans.Location != "/x" || len(r[2].body) != 70000 || r[3].err != nil || c.pipelining.depth() == 1 {
		t.Errorf("%v, %q, %v, %v", r[0].err, r[1].ans.Location, r[2].err, r[3].err)
	}
	if p := guardsOf(c); p == nil || p[0].target != "/get/"+names[3] || p[1].target != "/get/"+names[5] {
		t.Errorf("%+v", p)
	}
	// One for each of these, one for a part of the long one, and for the rest three:
	// one for the probe, which takes both guards, and two.
	if s.Dials() > 6+1+3 {
		t.Errorf("%d connections", s.Dials())
	}
}
