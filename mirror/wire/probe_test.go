package wire

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror/wire/wiretest"
)

func TestProbeOrder(t *testing.T) {
	var order, swapped, back string
	turn := func(i int) int { return probeOrder >> i & 1 }
	for i := range ProbeGets {
		order += fmt.Sprint(turn(i))
		swapped += fmt.Sprint(turn(i ^ 1))
		back += fmt.Sprint(turn(ProbeGets - 1 - i))
	}
	if strings.Count(order, "1") != ProbeGets/2 || swapped == order || back == order {
		t.Error(order)
	}
	for i := 1; i < ProbeGets; i++ {
		if order[i:]+order[:i] == order || strings.Contains(order[i:], order[:4]) {
			t.Errorf("%s and %d", order, i)
		}
	}
}

// TestGuardWord holds what guardWord says of its order.
func TestGuardWord(t *testing.T) {
	for _, n := range []int{1, fewRequests - 1, fewRequests, firstSpan, mostSpan} {
		word := guardWord(n)
		order := ""
		for i := range word {
			order += fmt.Sprint(guardOrder >> i & 1)
		}
		for shift := 1; shift < word; shift++ {
			// With so many responses too many, those behind are earlier by that.
			if strings.HasPrefix(order, order[shift:]) || strings.HasSuffix(order, order[:word-shift]) {
				t.Errorf("%s is itself shifted by %d", order, shift)
			}
		}
	}
}

// offs collects what OnPipelineOff is told.
type offs struct {
	sync.Mutex
	reasons []string
}

func (o *offs) add(reason string) {
	o.Lock()
	defer o.Unlock()
	o.reasons = append(o.reasons, reason)
}

func (o *offs) all() string {
	o.Lock()
	defer o.Unlock()
	return strings.Join(o.reasons, "\n")
}

var probes = []struct {
	name, off string // part of the reason; empty: it stays on
	serve     func(c *wiretest.Conn)
}{
	{"right", "", wiretest.Echo},
	{"right in bursts", "", wiretest.Bursts(func(c *wiretest.Conn, targets []string) bool {
		for _, t := range targets {
			c.File(t)
		}
		return true
	})},
	{"swaps neighbours", "number 1 was not answered", wiretest.Bursts(func(c *wiretest.Conn, targets []string) bool {
		for i := range targets {
			c.File(targets[i^1%len(targets)])
		}
		return true
	})},
	{"last first", "was not answered with its file", wiretest.Bursts(func(c *wiretest.Conn, targets []string) bool {
		for i := range targets {
			c.File(targets[len(targets)-1-i])
		}
		return true
	})},
	{"shuffles", "was not answered with its file", wiretest.Bursts(func(c *wiretest.Conn, targets []string) bool {
		// From a fixed seed, as one shuffle in 12,870 looks right.
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(targets), func(i, j int) { targets[i], targets[j] = targets[j], targets[i] })
		for _, t := range targets {
			c.File(t)
		}
		return true
	})},
	{"same for all", "was not answered with its file", wiretest.Bursts(func(c *wiretest.Conn, targets []string) bool {
		for range targets {
			c.File(targets[0])
		}
		return true
	})},
	{"skips one", "was not answered with its file", wiretest.Bursts(func(c *wiretest.Conn, targets []string) bool {
		for i, t := range targets {
			if i != 3 {
				c.File(t)
			}
		}
		c.CloseGently()
		return false
	})},
	{"one twice", "was not answered with its file", wiretest.Bursts(func(c *wiretest.Conn, targets []string) bool {
		for i, t := range targets {
			if c.File(t); i == 3 {
				c.File(t)
			}
		}
		return true
	})},
	{"mixes bodies", "was not answered with its file", wiretest.Bursts(func(c *wiretest.Conn, targets []string) bool {
		all := strings.Join(targets, "")
		for i, t := range targets {
			c.File(all[min(i, len(all)-len(t)):][:len(t)])
		}
		return true
	})},
	{"first only and hangs", "1 were answered within", wiretest.Bursts(func(c *wiretest.Conn, targets []string) bool {
		c.File(targets[0])
		return true
	})},
	{"first only and closes", "1 were answered: ", wiretest.Bursts(func(c *wiretest.Conn, targets []string) bool {
		c.File(targets[0])
		c.CloseGently()
		return false
	})},
	{"first only and says so", "1 were answered: ", func(c *wiretest.Conn) {
		target, _ := c.Next()
		c.Say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(target), target)
		c.CloseGently()
	}},
	{"hangs", "0 were answered within", wiretest.Bursts(func(c *wiretest.Conn, targets []string) bool { return true })},
	{"closes", "0 were answered: ", wiretest.Bursts(func(c *wiretest.Conn, targets []string) bool { return false })},
	{"refuses", "number 1 was not answered", wiretest.Bursts(func(c *wiretest.Conn, targets []string) bool {
		c.Say("HTTP/1.1 400 Bad\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		c.CloseGently()
		return false
	})},
	{"garbage", "malformed answer: no HTTP/1 head", wiretest.Bursts(func(c *wiretest.Conn, targets []string) bool {
		c.Say("garbage")
		return false
	})},
}

// TestProbe has origins that are right as long as they are asked one thing at a
// time. Nothing of what they say then may be delivered.
func TestProbe(t *testing.T) {
	for _, p := range probes {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := wiretest.Serve(t, p.serve)
			var off offs
			fast := quick
			fast.Probe = 100 * time.Millisecond
			c := newAuto(t, Options{URL: s.Base(), OnPipelineOff: off.add, Timeouts: fast})
			names := numbered(200)
			for range 3 {
				checkEcho(t, names, fetchAll(t, c, names...))
			}
			if got := off.all(); (got == "") != (p.off == "") || !strings.Contains(got, p.off) || strings.Contains(got, "\n") {
				t.Errorf("off: %q, want %q", got, p.off)
			}
			if on := c.pipelining.depth() > 1; on != (p.off == "") {
				t.Errorf("pipelining: %v", on)
			}
		})
	}
}

// TestProbeCost counts the gets of a client's life.
func TestProbeCost(t *testing.T) {
	s := wiretest.Serve(t, wiretest.Echo)
	c := newAuto(t, Options{URL: s.Base()})
	fetch := func(names []string) int {
		t.Helper()
		before := len(s.Targets())
		checkEcho(t, names, fetchAll(t, c, names...))
		return len(s.Targets()) - before
	}
	all := numbered(5000)
	// The first two are the guards, and not guarded themselves.
	if n := fetch(all[:probeFrom-1]); n != probeFrom-1+guardWord(probeFrom-3) || !c.pipelining.unknown() {
		t.Errorf("%d gets for a short call", n)
	}
	// One round of firstSpan, one of four times that, one up to firstTrust, and one
	// of the rest.
	if n := fetch(all[:1000]); n <= 1000+ProbeGets || n > 1000+ProbeGets+4*4 || c.pipelining.unknown() {
		t.Errorf("%d gets for the call that probes", n)
	}
	// Rounds of 2048 and twice 4096 at most.
	if n := fetch(all); n > 5000+4*4 {
		t.Errorf("%d gets for a call after it", n)
	}
	// Those of the guards; one that has only those two; one for the probe, and one
	// for a round that brings as many guards as there need to be. All else is on one,
	// as that did not end at firstTrust.
	if n := s.Dials(); n > 6 {
		t.Errorf("%d connections", n)
	}
}

// TestProbeOnce has many calls at once, some of them cancelled.
func TestProbeOnce(t *testing.T) {
	s := wiretest.Serve(t, wiretest.Echo)
	c := newAuto(t, Options{URL: s.Base()})
	var wg sync.WaitGroup
	for k := range 16 {
		wg.Go(func() {
			names := numbered(300)
			for i := range names {
				names[i] = fmt.Sprintf("%d/%s", k, names[i])
			}
			checkEcho(t, names, fetchAll(t, c, names...))
		})
	}
	wg.Wait()
	names, probes := 0, 0
	for _, target := range s.Targets() {
		if strings.Contains(target, "dir/file-") {
			names++
		}
	}
	// Each call has one round of 128 and one of the rest, or of what it could do
	// before the probe was made; a guard is one of these names too.
	if c.pipelining.depth() == 1 {
		t.Error("nobody has probed")
	}
	if extra := names - 16*300 - ProbeGets; extra < 0 || extra > 16*3*4 {
		t.Errorf("%d gets too many, %d probes", extra, probes)
	}
}

// TestProbeCancelled cancels the call in the middle of its probe; the next call
// makes it.
func TestProbeCancelled(t *testing.T) {
	var stuck atomic.Bool
	stuck.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	s := wiretest.Serve(t, wiretest.Bursts(func(c *wiretest.Conn, targets []string) bool {
		if stuck.Load() {
			cancel()
			return true
		}
		for _, t := range targets {
			c.File(t)
		}
		return true
	}))
	var off offs
	c := newAuto(t, Options{URL: s.Base(), OnPipelineOff: off.add})
	names := numbered(100)
	teach(t, c)
	results, err := fetchCtx(ctx, t, c, names)
	if !errors.Is(err, context.Canceled) || !errors.Is(results[0].err, context.Canceled) || !errors.Is(results[2].err, context.Canceled) {
		t.Errorf("%v, then %v", err, results[:3])
	}
	if !c.pipelining.unknown() || off.all() != "" {
		t.Errorf("the cancelled call decided: %q", off.all())
	}
	stuck.Store(false)
	checkEcho(t, names, fetchAll(t, c, names...))
	if c.pipelining.depth() == 1 {
		t.Error("off")
	}
}

// TestProbeBusy has an origin that will not take so many gets at the moment,
// and one that is restarted in the middle of the probe.
func TestProbeBusy(t *testing.T) {
	for name, once := range map[string]func(c *wiretest.Conn) bool{
		"429": func(c *wiretest.Conn) bool {
			for range ProbeGets {
				c.Say("HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n")
			}
			return true
		},
		"restart": func(c *wiretest.Conn) bool { return false },
	} {
		t.Run(name, func(t *testing.T) {
			var times atomic.Int32
			s := wiretest.Serve(t, wiretest.Bursts(func(c *wiretest.Conn, targets []string) bool {
				if times.Add(1) == 1 {
					return once(c)
				}
				for _, t := range targets {
					c.File(t)
				}
				return true
			}))
			var off offs
			c := newAuto(t, Options{URL: s.Base(), OnPipelineOff: off.add})
			names := numbered(100)
			for range 2 {
				checkEcho(t, names, fetchAll(t, c, names...))
			}
			if off.all() != "" || c.pipelining.depth() == 1 {
				t.Errorf("off: %q", off.all())
			}
		})
	}
}

// TestProbeAlwaysBusy has an origin that never takes so many gets.
func TestProbeAlwaysBusy(t *testing.T) {
	s := wiretest.Serve(t, wiretest.Bursts(func(c *wiretest.Conn, targets []string) bool {
		for range targets {
			c.Say("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
		}
		return true
	}))
	var off offs
	c := newAuto(t, Options{URL: s.Base(), OnPipelineOff: off.add})
	names := numbered(100)
	const calls = maxProbeBusy + 2
	for range calls {
		checkEcho(t, names, fetchAll(t, c, names...))
	}
	if !strings.Contains(off.all(), "busy") || len(s.Targets()) != calls*(len(names)+guardWord(len(names)))+maxProbeBusy*ProbeGets {
		// Each call has one round, with guards behind it.
		t.Errorf("off: %q, %d gets", off.all(), len(s.Targets()))
	}
}

// TestPipelineOption looks at how many requests are on their way: never more than
// the option says, and as many at times.
func TestPipelineOption(t *testing.T) {
	for _, n := range []int{1, 2, 7, 8, 64} {
		var most atomic.Int64
		s := wiretest.Serve(t, func(c *wiretest.Conn) {
			// Reads whatever comes at once, and answers it slowly.
			var open atomic.Int64
			answer := make(chan string, 1<<16)
			defer close(answer)
			c.Server().Go(func() {
				for target := range answer {
					if open.Load() >= int64(n) {
						time.Sleep(100 * time.Microsecond)
					}
					open.Add(-1)
					c.File(target)
				}
			})
			for {
				target, ok := c.Next()
				if !ok {
					return
				}
				if now := open.Add(1); now > most.Load() {
					most.Store(now)
				}
				answer <- target
			}
		})
		c := newAuto(t, Options{URL: s.Base(), Pipeline: n})
		teach(t, c)
		names := numbered(1000)
		start := time.Now()
		checkEcho(t, names, fetchAll(t, c, names...))
		// In three rounds with four guards each, or four where the window makes
		// them slow.
		if got := len(s.Targets()); got < 2+1000+3*4 || got > 2+1000+6*4 {
			t.Errorf("%d: %d gets", n, got)
		}
		if got := most.Load(); got != int64(n) {
			t.Errorf("%d: %d at once", n, got)
		}
		// A read that waits for what is not asked for would cost 50 ms a window, 50 s with the shortest.
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("%d: took %v", n, took)
		}
	}
	if _, err := New(Options{URL: &url.URL{Scheme: "http", Host: "h"}, Pipeline: -1}); err == nil || !strings.Contains(err.Error(), "pipeline -1") {
		t.Error(err)
	}
}

// TestEarlyCloseAfterProbe has an origin that passes the probe and later, say
// as another machine behind the same name, answers only the first of several
// requests: it closes then, or it hangs.
func TestEarlyCloseAfterProbe(t *testing.T) {
	for _, hang := range []bool{false, true} {
		t.Run(fmt.Sprintf("hang=%v", hang), func(t *testing.T) {
			t.Parallel()
			var another atomic.Bool
			var wasted atomic.Int64
			s := wiretest.Serve(t, wiretest.Bursts(func(c *wiretest.Conn, targets []string) bool {
				if !another.Load() {
					for _, t := range targets {
						c.File(t)
					}
					return true
				}
				wasted.Add(int64(len(targets) - 1))
				if c.File(targets[0]); !hang {
					c.CloseGently()
				}
				return hang
			}))
			var off offs
			fast := quick
			fast.Idle = 500 * time.Millisecond // maxShort times, and long enough for the probe on a busy machine
			c := newAuto(t, Options{URL: s.Base(), OnPipelineOff: off.add, Timeouts: fast})
			names := numbered(300)
			checkAllCome(t, c, names, false, "")
			another.Store(true)
			for range maxShort + maxProbeCuts {
				checkAllCome(t, c, names, false, "")
			}
			if !strings.Contains(off.all(), "only the first of several") || c.pipelining.depth() != 1 {
				t.Errorf("off: %q", off.all())
			}
			if n := wasted.Load(); n > (maxShort+maxProbeCuts)*300 {
				t.Errorf("%d requests were written for nothing", n)
			}
		})
	}
}

// TestOneAnswerAConnection has an origin that closes every connection after one
// answer, without a word. That costs a connection a file and no more.
func TestOneAnswerAConnection(t *testing.T) {
	for _, pipeline := range []int{0, 1 << 20} {
		s := wiretest.Serve(t, func(c *wiretest.Conn) {
			if target, ok := c.Next(); ok {
				c.File(target)
				c.CloseGently()
			}
		})
		c := newAuto(t, Options{URL: s.Base(), Pipeline: pipeline})
		names := numbered(200)
		checkEcho(t, names, fetchAll(t, c, names...))
		// Now and then one is asked for more, to see whether it gives that; what
		// it gave instead is asked for again.
		if n := s.Dials(); n > len(names)+len(names)/retrustEvery+1+maxProbeCuts {
			t.Errorf("%d connections", n)
		}
		if depth := min(c.pipelining.depth(), c.trust(0)); depth > 1 {
			t.Errorf("%d requests would be written at once", depth)
		}
	}
}
