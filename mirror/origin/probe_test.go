package origin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/serve"
)

func TestProbeOrder(t *testing.T) {
	var order, swapped, back string
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

// burst reads a request and all that came with it.
func burst(c *rawConn) (targets []string, ok bool) {
	for {
		target, ok := c.next()
		if !ok {
			return targets, len(targets) > 0
		}
		if targets = append(targets, target); c.br.Buffered() == 0 {
			return targets, true
		}
	}
}

// bursts are origins that answer one request rightly, and several in some way.
func bursts(several func(c *rawConn, targets []string) bool) func(c *rawConn) {
	return func(c *rawConn) {
		c.br = bufio.NewReaderSize(c.Conn, 1<<20)
		for {
			targets, ok := burst(c)
			switch {
			case !ok:
				return
			case len(targets) == 1:
				c.file(targets[0])
			case !several(c, targets):
				return
			}
		}
	}
}

var probes = []struct {
	name, off string // part of the reason; empty: it stays on
	serve     func(c *rawConn)
}{
	{"right", "", echo},
	{"right in bursts", "", bursts(func(c *rawConn, targets []string) bool {
		for _, t := range targets {
			c.file(t)
		}
		return true
	})},
	{"swaps neighbours", "number 1 was not", bursts(func(c *rawConn, targets []string) bool {
		for i := range targets {
			c.file(targets[i^1%len(targets)])
		}
		return true
	})},
	{"last first", "was not the file's", bursts(func(c *rawConn, targets []string) bool {
		for i := range targets {
			c.file(targets[len(targets)-1-i])
		}
		return true
	})},
	{"shuffles", "was not the file's", bursts(func(c *rawConn, targets []string) bool {
		// From a fixed seed, as one shuffle in 12,870 looks right.
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(targets), func(i, j int) { targets[i], targets[j] = targets[j], targets[i] })
		for _, t := range targets {
			c.file(t)
		}
		return true
	})},
	{"same for all", "number 2 was not", bursts(func(c *rawConn, targets []string) bool {
		for range targets {
			c.file(targets[0])
		}
		return true
	})},
	{"skips one", "was not the file's", bursts(func(c *rawConn, targets []string) bool {
		for i, t := range targets {
			if i != 3 {
				c.file(t)
			}
		}
		c.closeGently()
		return false
	})},
	{"one twice", "was not the file's", bursts(func(c *rawConn, targets []string) bool {
		for i, t := range targets {
			if c.file(t); i == 3 {
				c.file(t)
			}
		}
		return true
	})},
	{"mixes bodies", "was not the file's", bursts(func(c *rawConn, targets []string) bool {
		all := strings.Join(targets, "")
		for i, t := range targets {
			c.file(all[min(i, len(all)-len(t)):][:len(t)])
		}
		return true
	})},
	{"first only and hangs", "1 were answered within", bursts(func(c *rawConn, targets []string) bool {
		c.file(targets[0])
		return true
	})},
	{"first only and closes", "1 were answered: ", bursts(func(c *rawConn, targets []string) bool {
		c.file(targets[0])
		c.closeGently()
		return false
	})},
	{"first only and says so", "1 were answered: ", func(c *rawConn) {
		target, _ := c.next()
		c.say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(target), target)
		c.closeGently()
	}},
	{"hangs", "0 were answered within", bursts(func(c *rawConn, targets []string) bool { return true })},
	{"closes", "0 were answered: ", bursts(func(c *rawConn, targets []string) bool { return false })},
	{"refuses", "number 1 was not", bursts(func(c *rawConn, targets []string) bool {
		c.say("HTTP/1.1 400 Bad\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		c.closeGently()
		return false
	})},
	{"garbage", "0 were answered: malformed", bursts(func(c *rawConn, targets []string) bool {
		c.say("garbage")
		return false
	})},
}

// TestProbe has origins that are right as long as they are asked one thing at a
// time. Nothing of what they say then may be delivered.
func TestProbe(t *testing.T) {
	for _, p := range probes {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := serveRaw(t, p.serve)
			var off offs
			fast := quick
			fast.probe = 100 * time.Millisecond
			c := newAuto(t, Options{BaseURL: s.url(), OnPipelineOff: off.add, timing: fast})
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
	s, src := openOrigin(t, serve.Options{}, serve.SyntheticOptions{Files: 5000, Validators: true})
	c := newAuto(t, Options{BaseURL: s.URL()})
	all := walk(t, c)
	fetch := func(names []string) int64 {
		t.Helper()
		before := s.Counts().Gets
		for i, r := range fetchAll(t, c, names...) {
			checkSynthetic(t, src, names[i], r)
		}
		return s.Counts().Gets - before
	}
	if n := fetch(all[:probeFrom-1]); n != probeFrom-1 || !c.pipelining.unknown() {
		t.Errorf("%d gets for a short call", n)
	}
	if n := fetch(all[:1000]); n != 1000+ProbeGets || c.pipelining.unknown() {
		t.Errorf("%d gets for the call that probes", n)
	}
	if n := fetch(all); n != 5000 {
		t.Errorf("%d gets for a call after it", n)
	}
	if n := s.Counts().Conns; n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestProbeOnce has many calls at once, some of them cancelled.
func TestProbeOnce(t *testing.T) {
	s := serveRaw(t, echo)
	c := newAuto(t, Options{BaseURL: s.url()})
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
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.mu.asked) - 16*300; n != ProbeGets {
		t.Errorf("%d gets too many", n)
	}
}

// TestProbeCancelled cancels the call in the middle of its probe; the next call
// makes it.
func TestProbeCancelled(t *testing.T) {
	var stuck atomic.Bool
	stuck.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	s := serveRaw(t, bursts(func(c *rawConn, targets []string) bool {
		if stuck.Load() {
			cancel()
			return true
		}
		for _, t := range targets {
			c.file(t)
		}
		return true
	}))
	var off offs
	c := newAuto(t, Options{BaseURL: s.url(), OnPipelineOff: off.add})
	names := numbered(100)
	results, err := fetchCtx(ctx, t, c, names)
	if !errors.Is(err, context.Canceled) || results[1].err != nil || !errors.Is(results[2].err, context.Canceled) {
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

// TestProbeSamples has files that cannot be used for a probe before some that
// can: gone, moved, empty, long.
func TestProbeSamples(t *testing.T) {
	names := numbered(100)
	special := map[string]string{
		names[0]: "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
		names[1]: "HTTP/1.1 302 Moved\r\nLocation: /get/x\r\nContent-Length: 0\r\n\r\n",
		names[2]: "HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + strings.Repeat("x", 70000),
		names[3]: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		names[4]: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	}
	serve := func(c *rawConn) {
		for {
			target, ok := c.next()
			if !ok {
				return
			}
			if answer := special[strings.TrimPrefix(target, "/get/")]; answer != "" {
				c.say("%s", answer)
				continue
			}
			c.file(target)
		}
	}
	s := serveRaw(t, serve)
	c := newAuto(t, Options{BaseURL: s.url()})
	r := fetchAll(t, c, names...)
	checkEcho(t, names[5:], r[5:])
	if !errors.Is(r[0].err, mirror.ErrGone) || r[1].body != "/get/x" || len(r[2].body) != 70000 || r[3].err != nil || c.pipelining.depth() == 1 {
		t.Errorf("%v, %q, %v, %v", r[0].err, r[1].body, r[2].err, r[3].err)
	}
	if s.asked("/get/"+names[3])+s.asked("/get/"+names[5]) != 2+ProbeGets {
		t.Error("these two were to be compared")
	}

	// Files that are all the same prove nothing: neither on nor off.
	s = serveRaw(t, func(c *rawConn) {
		for _, ok := c.next(); ok; _, ok = c.next() {
			c.file("same")
		}
	})
	var off offs
	c = newAuto(t, Options{BaseURL: s.url(), OnPipelineOff: off.add})
	for _, r := range fetchAll(t, c, names...) {
		if r.body != "same" {
			t.Errorf("%+v", r)
		}
	}
	if !c.pipelining.unknown() || off.all() != "" || len(s.mu.asked) != len(names) {
		t.Errorf("decided on nothing, %q", off.all())
	}
}

// TestProbeBusy has an origin that will not take so many gets at the moment,
// and one that is restarted in the middle of the probe.
func TestProbeBusy(t *testing.T) {
	for name, once := range map[string]func(c *rawConn) bool{
		"429": func(c *rawConn) bool {
			for range ProbeGets {
				c.say("HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n")
			}
			return true
		},
		"restart": func(c *rawConn) bool { return false },
	} {
		t.Run(name, func(t *testing.T) {
			var times atomic.Int32
			s := serveRaw(t, bursts(func(c *rawConn, targets []string) bool {
				if times.Add(1) == 1 {
					return once(c)
				}
				for _, t := range targets {
					c.file(t)
				}
				return true
			}))
			var off offs
			c := newAuto(t, Options{BaseURL: s.url(), OnPipelineOff: off.add})
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
	s := serveRaw(t, bursts(func(c *rawConn, targets []string) bool {
		for range targets {
			c.say("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
		}
		return true
	}))
	var off offs
	c := newAuto(t, Options{BaseURL: s.url(), OnPipelineOff: off.add})
	names := numbered(100)
	const calls = maxProbeBusy + 2
	for range calls {
		checkEcho(t, names, fetchAll(t, c, names...))
	}
	if !strings.Contains(off.all(), "busy") || len(s.mu.asked) != calls*len(names)+maxProbeBusy*ProbeGets {
		t.Errorf("off: %q, %d gets", off.all(), len(s.mu.asked))
	}
}

// TestPipelineOption looks at how many requests come at once.
func TestPipelineOption(t *testing.T) {
	for _, n := range []int{1, 2, 7} {
		var most atomic.Int64
		ln := listenPipe(t) // a write is one burst
		s := serveRawOn(t, ln, bursts(func(c *rawConn, targets []string) bool {
			most.Store(max(most.Load(), int64(len(targets))))
			for _, t := range targets {
				c.file(t)
			}
			return true
		}))
		c := newAuto(t, Options{BaseURL: s.url(), Pipeline: n, Dial: ln.dial})
		names := numbered(100)
		checkEcho(t, names, fetchAll(t, c, names...))
		if len(s.mu.asked) != 100 {
			t.Errorf("%d: %d gets", n, len(s.mu.asked))
		}
		if got := max(1, most.Load()); got != int64(n) {
			t.Errorf("%d: %d at once", n, got)
		}
	}
	if _, err := New(Options{BaseURL: "http://h", Pipeline: -1}); err == nil || !strings.Contains(err.Error(), "pipeline -1") {
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
			var passed atomic.Bool
			var wasted atomic.Int64
			s := serveRaw(t, bursts(func(c *rawConn, targets []string) bool {
				if !passed.Swap(true) {
					for _, t := range targets {
						c.file(t)
					}
					return true
				}
				wasted.Add(int64(len(targets) - 1))
				if c.file(targets[0]); !hang {
					c.closeGently()
				}
				return hang
			}))
			var off offs
			fast := quick
			fast.idle = 30 * time.Millisecond
			c := newAuto(t, Options{BaseURL: s.url(), OnPipelineOff: off.add, timing: fast})
			names := numbered(300)
			for range maxShort + maxProbeCuts {
				checkEcho(t, names, fetchSure(t, c, names...))
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
		s := serveRaw(t, func(c *rawConn) {
			if target, ok := c.next(); ok {
				c.file(target)
				c.closeGently()
			}
		})
		c := newAuto(t, Options{BaseURL: s.url(), Pipeline: pipeline})
		names := numbered(200)
		checkEcho(t, names, fetchAll(t, c, names...))
		if n := s.dials(); n > len(names)+maxProbeCuts {
			t.Errorf("%d connections", n)
		}
		if depth := min(c.pipelining.depth(), c.trust(0)); depth > 1 {
			t.Errorf("%d requests would be written at once", depth)
		}
	}
}
