package mirror

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// takeFor takes as much as it may for d and returns how much that was.
func takeFor(t *testing.T, p *pace, d time.Duration, bytesEach int64) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	total := 0
	for {
		g, err := p.grant(ctx, 1000)
		if err == nil {
			total += g.files
			err = g.end(ctx, g.files, int64(g.files)*bytesEach)
		}
		if errors.Is(err, context.DeadlineExceeded) {
			return total
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func between(t *testing.T, what string, got, low, high int) {
	t.Helper()
	if got < low || got > high {
		t.Errorf("%s: %d, want %d to %d", what, got, low, high)
	}
}

func TestLimitFiles(t *testing.T) {
	for _, limit := range []int64{1, 7, 100, 5000} {
		synctest.Test(t, func(t *testing.T) {
			got := takeFor(t, newPace(limit, 0), 60*time.Second, 100)
			between(t, "files in a minute", got, int(60*limit-limit), int(60*limit+limit))
		})
	}
}

func TestLimitRate(t *testing.T) {
	for _, limit := range []int64{500, 100_000, 10 << 20} {
		synctest.Test(t, func(t *testing.T) {
			sent := 1000 * takeFor(t, newPace(0, limit), 60*time.Second, 1000)
			between(t, "bytes in a minute", sent, int(59*limit-1000), int(61*limit+1000))
		})
	}
}

// TestLimitRateFromTheStart has many connections begin at the same time, with files of which nothing is
// known, and then with such that are longer all at once: at no time is more asked for than the limit
// and a piece of it allow, but for a file of each connection that is longer than was expected.
func TestLimitRateFromTheStart(t *testing.T) {
	const limit, connections, size = 100_000, 16, 2000
	synctest.Test(t, func(t *testing.T) {
		p, start := newPace(0, limit), time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		var asked, late atomic.Int64
		var wg sync.WaitGroup
		for range connections {
			wg.Go(func() {
				for {
					g, err := p.grant(ctx, 64)
					if err != nil {
						return
					}
					each := int64(size)
					if time.Since(start) > 15*time.Second {
						each *= 5
					}
					all, most := asked.Add(int64(g.files)*each), int64(limit*time.Since(start).Seconds())+limit/pieces+1
					if each > size {
						most += connections * (limit/pieces + size) * 4
					}
					if all > most {
						late.Add(1)
						t.Errorf("%d bytes are asked for after %v, %d are right", all, time.Since(start), most)
					}
					if late.Load() > 3 || sleep(ctx, 20*time.Millisecond) != nil || g.end(ctx, g.files, int64(g.files)*each) != nil {
						return
					}
				}
			})
		}
		wg.Wait()
		between(t, "bytes in half a minute", int(asked.Load()), 26*limit, 34*limit)
	})
}

// TestLimitRateAfterFailures has the origin fail for a while. That says nothing of how long files are: as
// it is well again no more is asked for than before.
func TestLimitRateAfterFailures(t *testing.T) {
	const limit, connections, size = 100_000, 16, 1000
	synctest.Test(t, func(t *testing.T) {
		p, start := newPace(0, limit), time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		var asked atomic.Int64
		var wg sync.WaitGroup
		for range connections {
			wg.Go(func() {
				for {
					g, err := p.grant(ctx, 1000)
					if err != nil {
						return
					}
					came := g.files
					switch now := time.Since(start); {
					case now > 10*time.Second && now < 20*time.Second:
						came = 0
					case now >= 20*time.Second:
						asked.Add(int64(came) * size)
					}
					if sleep(ctx, 20*time.Millisecond) != nil || g.end(ctx, came, int64(came)*size) != nil {
						return
					}
				}
			})
		}
		wg.Wait()
		between(t, "bytes in ten seconds", int(asked.Load()), 9*limit, 12*limit)
	})
}

// TestPausedMeanwhile has the origin want to be left alone while the limits are waited for: nothing is
// asked for before that is over.
func TestPausedMeanwhile(t *testing.T) {
	for name, p := range map[string]func() *pace{
		"files": func() *pace { return newPace(1, 0) }, "bytes": func() *pace { return newPace(0, 10) },
	} {
		synctest.Test(t, func(t *testing.T) {
			p, start := p(), time.Now()
			for range 2 { // the second waits for its turn
				if _, err := p.grant(t.Context(), 1); err != nil {
					t.Fatal(err)
				}
			}
			time.AfterFunc(time.Millisecond, func() { p.pause(30 * time.Second) })
			if _, err := p.grant(t.Context(), 1); err != nil || time.Since(start) < 30*time.Second {
				t.Errorf("%s: asked for after %v, %v", name, time.Since(start), err)
			}
		})
	}
}

// TestNotAllAtOnce has many connections wait for the limit as the origin wants to be left alone for a
// while, and many get nothing of what they ask for. Neither has them ask for much at once after that.
func TestNotAllAtOnce(t *testing.T) {
	const limit, connections = 100_000, 200
	// asked is for how many bytes they ask within a time.
	asked := func(t *testing.T, p *pace, within time.Duration) int {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var bytes atomic.Int64
		for range connections {
			go func() {
				if g, err := p.grant(ctx, 1000); err == nil {
					bytes.Add(g.left)
				}
			}()
		}
		time.Sleep(within)
		return int(bytes.Load())
	}
	synctest.Test(t, func(t *testing.T) {
		p := newPace(0, limit)
		time.AfterFunc(time.Millisecond, func() { p.pause(30 * time.Second) })
		between(t, "bytes within a second after a pause", asked(t, p, 31*time.Second), limit, 2*limit)
	})
	synctest.Test(t, func(t *testing.T) {
		p := newPace(0, limit)
		var all []grant
		for range connections {
			g, err := p.grant(t.Context(), 1000)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, g)
		}
		for _, g := range all {
			if err := g.end(t.Context(), 0, 0); err != nil {
				t.Fatal(err)
			}
		}
		between(t, "bytes within a second after failures", asked(t, p, time.Second), limit, 2*limit+limit/pieces)
	})
}

// TestGuardsCount has a client ask for files again, to be certain of its answers: as many more than are
// asked for. The limit is of all that it asks for.
func TestGuardsCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, guards := newPace(1000, 0), int64(0)
		p.guards = func() int64 { return guards }
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		total := 0
		for {
			g, err := p.grant(ctx, 1000)
			if err != nil {
				break
			}
			total += g.files
			guards += int64(g.files)
		}
		between(t, "files and guards in a minute", total+int(guards), 59_000, 61_000)
	})
}

func TestNoLimit(t *testing.T) {
	p := newPace(0, 0)
	for range 100 {
		if n, err := p.take(t.Context(), 1000); n != 1000 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = p.take(context.Background(), 1000) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestThrottled has an origin that takes 1,000 files a second complain: the rate
// is halved, grows back by the same amount each second, and is free in the end.
func TestThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(0, 0)
		p.answered.Add(10_000)
		time.Sleep(10 * time.Second)
		for range 2 * manyComplaints {
			p.throttled(0, 0)
		}
		between(t, "first second", takeFor(t, p, time.Second, 1), 450, 650)
		time.Sleep(9 * time.Second)
		between(t, "eleventh second", takeFor(t, p, time.Second, 1), 700, 900)
		time.Sleep(60 * time.Second)
		if n, err := p.take(t.Context(), 1000); n != 1000 || err != nil || p.slowed.Load() {
			t.Errorf("after a minute the limit is still there: %d, %v", n, err)
		}
	})
}

// TestSlowOriginComplains has an origin that takes one file a second refuse most of the
// others: few complaints, but among few answers.
func TestSlowOriginComplains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(0, 0)
		for range 8 {
			time.Sleep(time.Second / 4)
			p.answered.Add(1)
			p.throttled(0, 0)
		}
		if !p.slowed.Load() {
			t.Error("an origin that refuses all is not left alone")
		}
	})
}

// TestFewComplaints has one answer of a hundred be a 503, whatever the rate: a mirror that
// was slowed down by each would go to the slowest rate, and stay there.
func TestFewComplaints(t *testing.T) {
	for _, rate := range []int{10, 1000, 100_000} {
		synctest.Test(t, func(t *testing.T) {
			p := newPace(0, 0)
			for i := range 30 * rate {
				if i%(1+rate/100) == 0 {
					time.Sleep(time.Second / 100)
				}
				p.answered.Add(1)
				if i%100 == 50 {
					p.throttled(0, 0)
				}
			}
			if p.slowed.Load() {
				t.Errorf("slowed down at %d a second", rate)
			}
		})
	}
}

// TestSlow has an origin complain to another who asks it too: the rate is halved at once, however much
// is answered here, and once for what is heard again and again. Others are not told of that.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(0, 0)
		p.answered.Add(10_000)
		time.Sleep(10 * time.Second)
		p.slow()
		time.Sleep(heardLate / 2)
		p.answered.Add(1000)
		p.slow()
		between(t, "first second", takeFor(t, p, time.Second, 1), 450, 650)
		if n := p.slowdowns(); n != 0 {
			t.Errorf("%d slowdowns of its own", n)
		}
		time.Sleep(5 * time.Minute)
		p.throttled(time.Minute, time.Minute)
		p.throttled(time.Minute, time.Minute)
		p.slow()
		if n := p.slowdowns(); n != 1 {
			t.Errorf("%d slowdowns for a complaint", n)
		}
	})
}

func TestRetryAfterPausesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(0, 0)
		time.Sleep(time.Second)
		start := time.Now()
		p.throttled(30*time.Second, 30*time.Second)
		if _, err := p.take(t.Context(), 1); err != nil || time.Since(start) < 30*time.Second {
			t.Errorf("asked again after %v, %v", time.Since(start), err)
		}
	})
}

// TestPausedForAnother has the origin want to be left alone by another who asks it too: for as long as it
// says nothing is asked for here, and nobody is told that it was said here.
func TestPausedForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(0, 0)
		p.pause(30 * time.Second)
		p.pause(10 * time.Second) // shorter than what is known
		start := time.Now()
		if n, err := p.take(t.Context(), 1000); n != 1000 || err != nil || time.Since(start) != 30*time.Second {
			t.Errorf("%d may be asked for after %v, %v", n, time.Since(start), err)
		}
		if left := p.leftAlone(start); left != 0 {
			t.Errorf("it says itself to leave the origin alone for %v", left)
		}
		p.throttled(5*time.Second, 5*time.Second)
		p.pause(time.Minute)
		if left := p.leftAlone(time.Now()); left != 5*time.Second {
			t.Errorf("what it was told itself is %v", left)
		}
		start = time.Now()
		if err := p.rest(t.Context()); err != nil || time.Since(start) != time.Minute {
			t.Errorf("the listing goes on after %v, %v", time.Since(start), err)
		}
	})
}

// TestRecoveredLeavesAlone has files fail while the origin wants to be left alone: nor is it asked then
// whether it is well.
func TestRecoveredLeavesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &countingFetcher{}
		e, err := Open(Options{Lister: madeListing(0), Fetcher: f})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		e.health.good("a")
		start := time.Now()
		e.Pause(30 * time.Second)
		down, err := e.recovered(t.Context(), 1, []string{"b"}, ErrUnreachable)
		if down || err != nil || time.Since(start) != 30*time.Second || len(f.sizes) != 1 {
			t.Errorf("down %v, %v after %v, by %d calls", down, err, time.Since(start), len(f.sizes))
		}
	})
}

// slowFetcher has every file after a while, or none.
type slowFetcher struct {
	countingFetcher
	takes time.Duration
	fails error // nil: it has them
}

func (f *slowFetcher) Fetch(ctx context.Context, names []string, r Receiver) error {
	if err := sleep(ctx, f.takes); err != nil {
		return err
	}
	if f.fails != nil {
		for i := range names {
			r.Receive(i, nil, f.fails)
		}
		return nil
	}
	return f.countingFetcher.Fetch(ctx, names, r)
}

// TestLeftAloneIsNoOutage has a file fail for which the origin wants to be left alone for as long as an outage
// may last, and then take its time to answer. None of that is an outage, but where it then wants the same
// for what it gave before.
func TestLeftAloneIsNoOutage(t *testing.T) {
	const outage = 30 * time.Second
	why := &StatusError{Code: 503, RetryAfter: time.Hour}
	for _, f := range []*slowFetcher{{takes: outage / 3}, {takes: outage / 3, fails: why}} {
		synctest.Test(t, func(t *testing.T) { testLeftAlone(t, f, why, outage) })
	}
}

func testLeftAlone(t *testing.T, f *slowFetcher, why error, outage time.Duration) {
	e, err := Open(Options{Lister: madeListing(0), Fetcher: f, Outage: outage})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ctx, end := context.WithCancelCause(t.Context())
	defer end(nil)
	go e.watch(ctx, outage, end)
	e.health.good("a")
	e.throttled(why)
	start := time.Now()
	down, err := e.recovered(ctx, 1, []string{"b"}, why)
	if took := time.Since(start); down || errors.Is(err, ErrOutage) != (f.fails != nil) || f.fails == nil && err != nil || took > 3*outage {
		t.Errorf("down %v, %v after %v", down, err, took)
	}
}

func TestPaceIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(1, 1)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		p.throttled(time.Hour, time.Hour)
		if _, err := p.take(ctx, 10); !errors.Is(err, context.Canceled) {
			t.Errorf("take gives %v", err)
		}
		if err := (&grant{p: p, files: 1}).end(ctx, 1, 1000); !errors.Is(err, context.Canceled) {
			t.Errorf("end gives %v", err)
		}
	})
}
