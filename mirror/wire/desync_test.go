package wire

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// shifts are what an origin may make of one request so that every response
// behind it moves to another request: what it says at once, and what later.
var shifts = map[string]func(odd, next string) (now, later string){
	"twice":                 func(odd, _ string) (now, later string) { return wiretest.OK(odd), wiretest.OK(odd) },
	"thrice":                func(odd, _ string) (now, later string) { return wiretest.OK(odd), wiretest.OK(odd) + wiretest.OK(odd) },
	"one that nobody asked": func(odd, _ string) (now, later string) { return wiretest.OK(odd), wiretest.OK("out of nothing") },
	"too short a length":    func(odd, _ string) (now, later string) { return wiretest.OK(odd), wiretest.OK("inner") },
	"surplus bytes":         func(odd, _ string) (now, later string) { return wiretest.OK(odd), "xyz" },
	"none": func(odd, next string) (now, later string) { // it swallows the next one's
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(odd)+len(wiretest.OK(next)), odd), ""
	},
}

// settings are the ways of asking, and how long too much may take to come.
func settings(t *testing.T, f func(t *testing.T, pipeline int, late time.Duration)) {
	for name, pipeline := range map[string]int{"on": 1 << 20, "window": 8, "off": 1, "auto": 0} {
		for _, late := range []time.Duration{0, 2 * time.Millisecond, 50 * time.Millisecond} {
			t.Run(fmt.Sprintf("%s/late=%v", name, late), func(t *testing.T) {
				t.Parallel()
				f(t, pipeline, late)
			})
		}
	}
}

// TestShiftedResponses has an origin that is well but for one file in the middle
// of a round, at which every response behind it moves to another request; always,
// or only where others are asked for behind it. Every body stands under its own
// name, and all of them come.
func TestShiftedResponses(t *testing.T) {
	names := numbered(300)
	odd, next := "/get/"+names[150], "/get/"+names[151]
	for what, shift := range shifts {
		t.Run(what, func(t *testing.T) {
			settings(t, func(t *testing.T, pipeline int, late time.Duration) {
				for _, always := range []bool{true, false} {
					if pipeline == 1 && !always {
						continue // it would do nothing
					}
					seed := rand.Uint64()
					t.Logf("seed %d", seed)
					s := wiretest.Serve(t, func(c *wiretest.Conn) {
						l := wiretest.NewLate(c, seed)
						defer l.Wait()
						for {
							target, ok := c.Next()
							if !ok {
								return
							}
							if target != odd || !always && c.Buf.Buffered() == 0 {
								l.Send(wiretest.OK(target))
								continue
							}
							now, later := shift(odd, next)
							l.Send(now)
							l.After(late, later)
						}
					})
					soon := quick
					soon.Idle, soon.Probe = 200*time.Millisecond, 200*time.Millisecond
					var off atomic.Int32
					c := newAuto(t, Options{URL: s.Base(), Pipeline: pipeline, Timeouts: soon, OnPipelineOff: func(string) { off.Add(1) }})
					// What is always malformed, and says so at once, is so alone too.
					checkAllCome(t, c, names, always && (what == "none" || late == 0), odd)
					if off.Load() > 1 {
						t.Errorf("pipelining turned off %d times", off.Load())
					}
				}
			})
		})
	}
}

// checkAllCome fetches names, and those with an error that may pass again, until
// all have come but hung, if one is.
func checkAllCome(t *testing.T, c *Client, names []string, hangs bool, hung string) {
	t.Helper()
	todo := names
	for range 8 {
		results := fetchAll(t, c, todo...)
		checkRight(t, todo, results)
		var again []string
		for i, r := range results {
			if r.err != nil {
				again = append(again, todo[i])
			}
		}
		if todo = again; len(todo) == 0 || hangs && len(todo) == 1 && "/get/"+todo[0] == hung {
			return
		}
	}
	t.Errorf("%d names never came, as %s", len(todo), todo[0])
}

// TestLateSurplus is an origin that answers one get twice, in a round's middle or
// at its very end, and what is too much comes when the round is over or nearly so.
// Of 3,000 files none has another's body.
func TestLateSurplus(t *testing.T) {
	names := numbered(3000)
	settings(t, func(t *testing.T, pipeline int, late time.Duration) {
		for _, every := range []int{1, 97, 1000} { // of the files that are answered twice
			var asked, wrong atomic.Int64
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			s := wiretest.Serve(t, func(c *wiretest.Conn) {
				l := wiretest.NewLate(c, seed)
				defer l.Wait()
				for {
					target, ok := c.Next()
					if !ok {
						return
					}
					l.Send(wiretest.OK(target))
					if asked.Add(1)%int64(every) == 0 && wrong.Add(1) < 20 {
						l.After(late, wiretest.OK(target))
					}
				}
			})
			c := newAuto(t, Options{URL: s.Base(), Pipeline: pipeline})
			checkAllCome(t, c, names, false, "")
		}
	})
}

// TestLastOfRoundLate is the same with the last response of a burst, which is what
// a server may hold back: it answers the first of them twice, and sends the last
// one late.
func TestLastOfRoundLate(t *testing.T) {
	names := numbered(3000)
	settings(t, func(t *testing.T, pipeline int, late time.Duration) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		s := wiretest.Serve(t, func(c *wiretest.Conn) {
			l := wiretest.NewLate(c, seed)
			defer l.Wait()
			for burst := 0; ; burst++ {
				targets, ok := c.Burst()
				if !ok {
					return
				}
				var b strings.Builder
				for i, target := range targets {
					if b.WriteString(wiretest.OK(target)); i == 0 && burst == 3 && c.N < 10 {
						b.WriteString(wiretest.OK(target))
					}
				}
				all := b.String()
				last := len(all) - len(wiretest.OK(targets[len(targets)-1]))
				l.Send(all[:last])
				if c.N < 10 && burst < 5 {
					time.Sleep(late)
				}
				l.Send(all[last:])
			}
		})
		c := newAuto(t, Options{URL: s.Base(), Pipeline: pipeline})
		checkAllCome(t, c, names, false, "")
	})
}

// TestDesyncsTurnPipeliningOff has the fault in every batch. What it costs is
// counted, and not paid for ever.
func TestDesyncsTurnPipeliningOff(t *testing.T) {
	names := numbered(300)
	odd, next := "/get/"+names[150], "/get/"+names[151]
	for what, shift := range shifts {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := wiretest.Serve(t, func(c *wiretest.Conn) {
				for {
					target, ok := c.Next()
					switch {
					case !ok:
						return
					case target == odd && c.Buf.Buffered() > 0:
						now, later := shift(odd, next)
						c.Say("%s%s", now, later)
					default:
						c.File(target)
					}
				}
			})
			soon := quick
			soon.Idle = 300 * time.Millisecond
			off := 0
			c := newClient(t, Options{URL: s.Base(), Timeouts: soon, OnPipelineOff: func(string) { off++ }})
			calls := 0
			for ; off == 0 && calls < 3*maxStalls; calls++ {
				checkAllCome(t, c, names, false, "")
			}
			if off != 1 || c.pipelining.depth() != 1 {
				t.Errorf("pipelining turned off %d times by %d calls", off, calls)
			}
			before := s.Dials()
			checkAllCome(t, c, names, false, "")
			if got := s.Dials() - before; got > 1 {
				t.Errorf("%d connections after that", got)
			}
		})
	}
}

// TestSurplusOfTheLast has the surplus behind the very last file of each call, when
// nothing else is asked for. The next call is none the worse for it.
func TestSurplusOfTheLast(t *testing.T) {
	settings(t, func(t *testing.T, pipeline int, late time.Duration) {
		names := numbered(100)
		s := wiretest.Serve(t, func(c *wiretest.Conn) {
			l := wiretest.NewLate(c, 1)
			defer l.Wait()
			for {
				target, ok := c.Next()
				if !ok {
					return
				}
				l.Send(wiretest.OK(target))
				if strings.HasSuffix(target, "99") || strings.HasSuffix(target, "teach/2") {
					l.After(late, wiretest.OK(target))
				}
			}
		})
		c := newAuto(t, Options{URL: s.Base(), Pipeline: pipeline})
		for range 6 {
			// Alone, and in one piece with it, its surplus makes a file malformed.
			checkAllCome(t, c, names, late == 0, "/get/"+names[99])
			time.Sleep(late / 2)
		}
	})
}

// TestLengthless has an origin of which one file in a round has no length: it
// is asked for again alone, and the rest is pipelined as before.
func TestLengthless(t *testing.T) {
	names := numbered(100)
	odd := "/get/" + names[50]
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for {
			target, more := c.Next()
			if !more {
				return
			}
			if target == odd {
				c.Say("HTTP/1.1 200 OK\r\n\r\n%s", target)
				c.CloseGently()
				return
			}
			c.File(target)
		}
	})
	c := newClient(t, Options{URL: s.Base(), OnPipelineOff: func(r string) { t.Error(r) }})
	teach(t, c)
	checkEcho(t, names, fetchAll(t, c, names...))
	if n := s.Asked(odd); n != 2 {
		t.Errorf("asked for it %d times", n)
	}
	// What came before it too, once more.
	if n := s.Most(func(target string) bool { return isName(target) && target != odd }); n > 2 {
		t.Errorf("asked for another %d times", n)
	}
}
