package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// serveSized answers every get with a file of n bytes, after a time each.
func serveSized(n int, each time.Duration) func(c *wiretest.Conn) {
	return func(c *wiretest.Conn) {
		for {
			target, ok := c.Next()
			if !ok {
				return
			}
			time.Sleep(each)
			if strings.HasPrefix(target, "/get/teach/") {
				c.File(target)
			} else {
				c.File(content(target, n))
			}
		}
	}
}

// TestSpanOfLongFiles has rounds get shorter where files are long, and longer
// again where they are not.
func TestSpanOfLongFiles(t *testing.T) {
	var size atomic.Int64
	size.Store(60 << 10)
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for {
			target, ok := c.Next()
			if !ok {
				return
			}
			c.File(content(target, int(size.Load())))
		}
	})
	c := newClient(t, Options{URL: s.Base()})
	fetchAll(t, c, "1", "2")
	for i, r := range fetchAll(t, c, numbered(500)...) {
		if r.err != nil || len(r.body) != 60<<10 {
			t.Fatal(i, len(r.body), r.err)
		}
	}
	if got := c.span.get(); got < roundBytes/(60<<10)/2 || got > 2*roundBytes/(60<<10) {
		t.Errorf("rounds of %d files of 60 KiB", got)
	}
	size.Store(10)
	fetchAll(t, c, numbered(5000)...)
	if got := c.span.get(); got != mostSpan {
		t.Errorf("rounds of %d short files", got)
	}
}

// TestSlowServerHandsOut has a server that takes its time for each file, asked one
// at a time: no file waits for its proof much longer than Timeouts.Round. That is told by how
// many requests are answered meanwhile, as a busy machine takes longer for each.
func TestSlowServerHandsOut(t *testing.T) {
	const each = 10 * time.Millisecond
	var mu sync.Mutex
	answered, sent := 0, map[string]int{}
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for {
			target, ok := c.Next()
			if !ok {
				return
			}
			time.Sleep(each)
			mu.Lock()
			answered++
			sent[target] = answered
			mu.Unlock()
			c.File(target)
		}
	})
	slow := quick
	slow.Round = 100 * time.Millisecond
	c := newClient(t, Options{URL: s.Base(), Pipeline: 1, Timeouts: slow})
	teach(t, c)
	names, start, longest := numbered(100), time.Now(), 0
	err := c.Get(t.Context(), take(names, func(i int, a *Answer, err error) {
		if err != nil || string(a.Body) != "/get/"+names[i] {
			t.Error(i, err)
		}
		mu.Lock()
		defer mu.Unlock()
		longest = max(longest, answered-sent["/get/"+names[i]])
	}))
	if err != nil {
		t.Error(err)
	}
	// A round and its guards.
	if most := int(slow.Round/each) + 5; longest > most {
		t.Errorf("a file waited for %d others, %d would do", longest, most)
	}
	// Two guards for each round, of which there may be two in Timeouts.Round.
	if n := len(s.Targets()); n > 2+100+2*2*int(time.Since(start)/slow.Round)+10 {
		t.Errorf("%d requests: the rounds are too short", n)
	}
}

// TestSlowServerInRounds is the same where rounds are pipelined: their length
// becomes what comes in that time.
func TestSlowServerInRounds(t *testing.T) {
	slow := quick
	slow.Round = 100 * time.Millisecond
	for _, pipeline := range []int{8, 1 << 20} {
		s := wiretest.Serve(t, serveSized(10, 2*time.Millisecond))
		c := newClient(t, Options{URL: s.Base(), Pipeline: pipeline, Timeouts: slow})
		teach(t, c)
		for i, r := range fetchAll(t, c, numbered(500)...) {
			if r.err != nil {
				t.Error(i, r.err)
			}
		}
		if got := c.span.get(); got < 10 || got > 100 {
			t.Errorf("rounds of %d files where 50 or fewer come in time", got)
		}
	}
}

// TestHeldIsBounded has many files just short enough to be held: no more than
// maxHeld of them are, and all come.
func TestHeldIsBounded(t *testing.T) {
	const n = 60 << 10
	s := wiretest.Serve(t, serveSized(n, 0))
	c := newClient(t, Options{URL: s.Base()})
	teach(t, c)
	c.span.n.Store(mostSpan) // as after short files
	names := numbered(1000)
	came := 0
	var most uint64
	err := c.Get(t.Context(), take(names, func(i int, a *Answer, err error) {
		if err != nil || len(a.Body) != n || !strings.HasPrefix(string(a.Body[:40]), "/get/"+names[i]) {
			t.Fatalf("%d: %v", i, err)
		}
		if came++; came%200 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
		}
	}))
	if err != nil || came != len(names) {
		t.Errorf("%d came, %v", came, err)
	}
	if l, ok := c.ledgers.Get().(*ledger); ok && cap(l.slab) > 2*maxHeld { // a pool may forget it
		t.Errorf("%d bytes were held", cap(l.slab))
	}
	// One round that is too long. After that they are as long as the files let
	// them be, 17 or so, with two guards each.
	if got := len(s.Targets()); got > 2*len(names)+maxHeld/n+len(names)/17*4 {
		t.Errorf("%d requests for %d files", got, len(names))
	}
	t.Logf("%d MiB in use", most>>20)
}

// TestSpool has longer files in the middle of rounds: they are spooled, each once,
// and asked for on the connection of the round.
func TestSpool(t *testing.T) {
	for _, pipeline := range []int{0, 1, 8, 1 << 20} {
		s := wiretest.Serve(t, serveLengths)
		c := newAuto(t, Options{URL: s.Base(), Pipeline: pipeline})
		fetchAll(t, c, "30/length", "31/length")
		var names []string
		for i := range 2 * maxGuards {
			names = append(names, fmt.Sprintf("%d/length", 1000+i))
		}
		teachAll(t, c, names...)
		names = nil
		for i := range 30 {
			names = append(names, fmt.Sprintf("%d/length", 100+i), fmt.Sprintf("%d/length", 70<<10+i), fmt.Sprintf("%d/length", 200+i))
		}
		s.Forget()
		results, spools := fetchSpooled(t, c, names...)
		checkContent(t, names, results)
		if spools != 30 || s.Most(func(target string) bool {
			return len(target) > len("/get/1000/length") || len(target) == len("/get/100/length")
		}) != 1 || s.Dials() > 1 {
			t.Errorf("pipeline %d: %d spooled, %d connections", pipeline, spools, s.Dials())
		}
	}
}

// checkContent checks results that came from serveLengths.
func checkContent(t *testing.T, names []string, results []result) {
	t.Helper()
	for i, r := range results {
		var n int
		fmt.Sscanf(names[i], "%d/", &n)
		if r.err != nil || r.body != content("/get/"+names[i], n) || r.ans.Size != int64(n) {
			t.Errorf("%s: %d bytes, size %d, %v", names[i], len(r.body), r.ans.Size, r.err)
		}
	}
}

// TestSpoolBounds has files around spoolMost: those above are asked for alone, after
// all others; so are all that are too long for memory where there is no Spool.
func TestSpoolBounds(t *testing.T) {
	s := wiretest.Serve(t, serveLengths)
	names := []string{
		"100/length", fmt.Sprintf("%d/length", spoolMost+1), "101/length", fmt.Sprintf("%d/length", spoolMost), "102/length",
		fmt.Sprintf("%d/length", 64<<10), fmt.Sprintf("%d/length", 64<<10+1), "103/length",
	}
	for _, spool := range []bool{true, false} {
		patient := quick
		patient.Response = time.Minute // for 8 MiB on a busy machine
		c := newClient(t, Options{URL: s.Base(), Timeouts: patient})
		fetchAll(t, c, "30/length", "31/length")
		s.Forget()
		f := newFetch(t, names)
		b := f.batch(spool)
		var order []string
		b.Take = func(i int, a *Answer, err error) {
			order = append(order, names[i])
			f.take(i, a, err)
		}
		if err := c.Get(t.Context(), b); err != nil {
			t.Error(err)
		}
		checkContent(t, names, f.results)
		if last := order[len(order)-1]; spool && last != names[1] {
			t.Errorf("the last one was %s", last)
		}
		if last := order[len(order)-3:]; !spool && strings.Join(last, " ") != names[1]+" "+names[3]+" "+names[6] {
			t.Errorf("the last ones were %s", last)
		}
		for _, i := range []int{1, 3, 6} {
			if spool && i == 3 {
				continue // over maxHeld, so that it comes first on a connection as well as not
			}
			if want := !spool || i == 1; f.results[i].stream != want || f.results[i].ans.Spooled == want {
				t.Errorf("spool %v: %s: %v, %v", spool, names[i], f.results[i].stream, f.results[i].ans.Spooled)
			}
		}
	}
}

// TestSpoolIsVoid has connections that are cut behind files that were spooled:
// those are spooled again, and what counts is what was spooled last.
func TestSpoolIsVoid(t *testing.T) {
	for _, how := range []string{"cut", "garbage", "twice", "hang"} {
		t.Run(how, func(t *testing.T) {
			var times atomic.Int32
			s := wiretest.Serve(t, func(c *wiretest.Conn) {
				for {
					target, ok := c.Next()
					switch {
					case !ok:
						return
					case target == "/get/odd" && times.Add(1) == 1:
						switch how {
						case "cut":
							c.CloseGently()
							return
						case "garbage":
							c.Say("garbage")
							return
						case "twice":
							c.File("odd")
						case "hang":
							io.Copy(io.Discard, c.Buf)
							return
						}
						c.File("odd")
					case target == "/get/odd":
						c.File("odd")
					case strings.HasPrefix(target, "/get/teach"):
						c.File(target)
					default:
						// Another version each time, so that an old one shows.
						c.File(fmt.Sprintf("%s %d %s", target, c.N, strings.Repeat("x", 70<<10)))
					}
				}
			})
			soon := quick
			if how == "hang" {
				soon.Idle = time.Second // that the others come within on a busy machine
			}
			c := newClient(t, Options{URL: s.Base(), Timeouts: soon})
			teach(t, c)
			names := []string{"a", "b", "c", "odd", "d"}
			results, spools := fetchSpooled(t, c, names...)
			for i, r := range results {
				switch {
				case names[i] == "odd" && r.err != nil && mirror.Temporary(r.err) && how == "hang":
				case r.err != nil, names[i] != "odd" && !strings.HasPrefix(r.body, "/get/"+names[i]+" "), names[i] == "odd" && r.body != "odd":
					t.Errorf("%s: %.30q, %v", names[i], r.body, r.err)
				case names[i] != "odd" && strings.HasPrefix(r.body, "/get/"+names[i]+" 1 "):
					t.Errorf("%s: %.30q came on the connection that was cut", names[i], r.body)
				}
			}
			if spools < 3 {
				t.Errorf("%d spooled", spools)
			}
		})
	}
}

// TestSpoolFails has a Spool that cannot: its error is that of its file alone.
func TestSpoolFails(t *testing.T) {
	full := errors.New("disk full")
	for _, reads := range []bool{true, false} {
		s := wiretest.Serve(t, serveLengths)
		c := newClient(t, Options{URL: s.Base()})
		fetchAll(t, c, "30/length", "31/length")
		var names []string
		for i := range 20 {
			names = append(names, fmt.Sprintf("%d/length", 100+i), fmt.Sprintf("%d/length", 70<<10+i))
		}
		f := newFetch(t, names)
		b := f.batch(true)
		b.Spool = func(i int, a *Answer) error {
			if i != 21 {
				return f.spool(i, a)
			}
			if reads {
				io.Copy(io.Discard, a.Stream)
			}
			return full
		}
		if err := c.Get(t.Context(), b); err != nil {
			t.Error(err)
		}
		if !errors.Is(f.results[21].err, full) {
			t.Errorf("%v", f.results[21].err)
		}
		f.results[21] = result{body: content("/get/"+names[21], 70<<10+10), ans: Answer{Object: mirror.Object{Size: 70<<10 + 10}}}
		checkContent(t, names, f.results)
		for i, n := range f.times {
			if n != 1 {
				t.Errorf("%s: taken %d times", names[i], n)
			}
		}
		if got := c.trust(0); got < firstTrust {
			t.Errorf("the server is trusted with %d requests", got)
		}
	}
}

// TestSpoolTooLarge has files over the limit in the middle of a round.
func TestSpoolTooLarge(t *testing.T) {
	s := wiretest.Serve(t, serveLengths)
	c := newClient(t, Options{URL: s.Base(), MaxFileSize: 100 << 10})
	names := []string{"30/length", "31/length", "32/length", fmt.Sprintf("%d/length", 100<<10+1), fmt.Sprintf("%d/length", 100<<10), "33/length"}
	for range 2 {
		results, _ := fetchSpooled(t, c, names...)
		if !errors.Is(results[3].err, mirror.ErrTooLarge) || len(results[3].body) > 0 {
			t.Errorf("%d bytes, %v", len(results[3].body), results[3].err)
		}
		checkContent(t, append(names[:3:3], names[4:]...), append(results[:3:3], results[4:]...))
	}
}

// TestHeldHeadsAreBounded has responses with long heads, of which something is
// kept until they are proven.
func TestHeldHeadsAreBounded(t *testing.T) {
	long := strings.Repeat("e", 50<<10)
	for _, field := range []string{"200 OK\r\nETag", "302 Found\r\nLocation"} {
		s := wiretest.Serve(t, func(c *wiretest.Conn) {
			for {
				target, ok := c.Next()
				switch {
				case !ok:
					return
				case strings.HasPrefix(target, "/get/teach"):
					c.File(target)
				default:
					c.Say("HTTP/1.1 %s: %s\r\nContent-Length: 0\r\n\r\n", field, long)
				}
			}
		})
		c := newClient(t, Options{URL: s.Base()})
		teach(t, c)
		c.span.n.Store(mostSpan)
		came := 0
		err := c.Get(t.Context(), take(numbered(1000), func(i int, a *Answer, err error) {
			if came++; err != nil || len(a.ETag)+len(a.Location) != len(long) {
				t.Errorf("%d: %v", i, err)
			}
		}))
		l, ok := c.ledgers.Get().(*ledger)
		if err != nil || came != 1000 || ok && cap(l.slab) > 2*maxHeld {
			t.Errorf("%.6s: %d came, %v held, %v", field, came, ok, err)
		}
	}
}

// TestServerGetsSlow has a server that was quick, so that rounds are long, and
// then takes its time. Something is taken before long all the same, which is told by how
// many requests are answered until then.
func TestServerGetsSlow(t *testing.T) {
	const each = 20 * time.Millisecond
	var slow atomic.Bool
	var answered atomic.Int64
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for {
			target, ok := c.Next()
			if !ok {
				return
			}
			if slow.Load() {
				time.Sleep(each)
				answered.Add(1)
			}
			if _, err := c.Write([]byte(wiretest.OK(target))); err != nil {
				return // with requests unread
			}
		}
	})
	hurried := quick
	hurried.Round = 100 * time.Millisecond
	for _, pipeline := range []int{1, 8, 1 << 20} {
		slow.Store(false)
		c := newClient(t, Options{URL: s.Base(), Pipeline: pipeline, Timeouts: hurried})
		teach(t, c)
		for range 3 {
			names := numbered(5000)
			checkEcho(t, names, fetchAll(t, c, names...))
		}
		answered.Store(0)
		slow.Store(true)
		ctx, cancel := context.WithCancel(t.Context())
		names, first := numbered(2000), int64(0)
		c.Get(ctx, take(names, func(i int, a *Answer, err error) {
			if err == nil && first == 0 {
				first = answered.Load()
				cancel()
			}
		}))
		cancel()
		if first == 0 || first > int64((slowRounds+6)*hurried.Round/each) {
			t.Errorf("pipeline %d: the first after %d", pipeline, first)
		}
	}
}

// TestPanic has a caller whose functions panic while requests are being written:
// nothing goes on behind that, and the client can be closed.
func TestPanic(t *testing.T) {
	s := wiretest.Serve(t, serveLengths)
	for _, pipeline := range []int{1, 8, 1 << 20} {
		for _, spool := range []bool{true, false} {
			c := newClient(t, Options{URL: s.Base(), Pipeline: pipeline})
			fetchAll(t, c, "30/length", "31/length")
			var names []string
			for i := range 200 {
				names = append(names, fmt.Sprintf("%d/length", 70<<10+i))
			}
			func() {
				defer func() {
					if recover() == nil {
						t.Error("no panic")
					}
				}()
				b := take(names, func(int, *Answer, error) { panic("take") })
				if spool {
					b.Spool = func(int, *Answer) error { panic("spool") }
				}
				c.Get(t.Context(), b)
			}()
			done := make(chan struct{})
			go func() { c.Close(); close(done) }()
			select {
			case <-done:
			case <-time.After(5 * time.Second):
				t.Fatalf("pipeline %d, spool %v: Close waits", pipeline, spool)
			}
		}
	}
}
