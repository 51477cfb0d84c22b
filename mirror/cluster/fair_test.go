package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
)

// pacedSource is a source that notes how it is paced.
type pacedSource struct {
	source
	slowed, share int
	paused        time.Duration // what it was told last
	counts        mirror.Counts
}

func (s *pacedSource) Share(n int)           { s.share = n }
func (s *pacedSource) Slow()                 { s.slowed++ }
func (s *pacedSource) Pause(d time.Duration) { s.paused = d }
func (s *pacedSource) Counts() mirror.Counts { return s.counts }

// cutOff is a bus that says whether anybody can be heard.
type cutOff struct {
	*telling
	away bool
}

func (b *cutOff) Away() bool { return b.away }

// TestSlowedTogether has the origin complain to another, and to this process, which the others are
// told, and that it slows down for them is not.
func TestSlowedTogether(t *testing.T) {
	bus := &telling{NewLocal(), map[string][]byte{}}
	p := newTestProcess(t, bus)
	src := &pacedSource{source: p.src}
	p.src = src
	hear := func(throttled int64, want int) {
		t.Helper()
		text, err := json.Marshal(Report{Throttled: throttled})
		if err != nil {
			t.Fatal(err)
		}
		bus.said["other"] = text
		if _, err := p.hear(t.Context()); err != nil || src.slowed != want {
			t.Errorf("after %d complaints: slowed down %d times, %d are right; %v", throttled, src.slowed, want, err)
		}
	}
	hear(7, 0) // it was so before this process came
	hear(7, 0)
	hear(8, 1)
	hear(8, 1)
	hear(11, 2)
	if r := p.Report(); r.Throttled != 0 {
		t.Errorf("what another said goes round: %+v", r)
	}
	src.counts.Slowdowns = 3
	if r := p.Report(); r.Throttled != 3 {
		t.Errorf("the others hear %+v", r)
	}
}

// TestLeftAloneTogether has the origin want to be left alone by another, and by this process. Each new
// report of the other's counts once, for as long as it says and a bound, and goes to nobody else.
func TestLeftAloneTogether(t *testing.T) {
	bus := &telling{NewLocal(), map[string][]byte{}}
	p := newTestProcess(t, bus)
	src := &pacedSource{source: p.src}
	p.src = src
	hear := func(pause float64, want time.Duration) {
		t.Helper()
		text, err := json.Marshal(Report{Pause: pause})
		if err != nil {
			t.Fatal(err)
		}
		bus.said["other"], src.paused = text, 0
		if _, err := p.hear(t.Context()); err != nil || src.paused != want {
			t.Errorf("of %v s: it pauses for %v, not %v; %v", pause, src.paused, want, err)
		}
	}
	hear(30, 30*time.Second) // also of one that is heard of for the first time
	hear(30, 0)              // its last report, again
	hear(28.5, 28500*time.Millisecond)
	hear(-5, 0)
	hear(0, 0)
	hear(1e300, mostPause)
	if r := p.Report(); r.Pause != 0 {
		t.Errorf("what another said goes round: %+v", r)
	}
	src.counts.LeftAlone = 3 * time.Second
	if r := p.Report(); r.Pause != 3 {
		t.Errorf("the others hear %+v", r)
	}
}

// TestShareWhileCutOff has the bus lose all reports. A process that knows to be cut off keeps to its
// part of the limits, and one that is alone has all.
func TestShareWhileCutOff(t *testing.T) {
	bus := &cutOff{telling: &telling{NewLocal(), map[string][]byte{}}, away: true}
	p := newTestProcess(t, bus)
	src := &pacedSource{source: p.src}
	p.src = src
	all := map[string][]byte{"b": []byte("{}"), "c": []byte("{}")}
	for i, step := range []struct {
		away   bool
		others map[string][]byte
		want   int
	}{
		{true, nil, 1}, // it has just come
		{false, all, 3},
		{true, nil, 3},
		{true, nil, 3},
		{false, nil, 1},
		{false, all, 3},
	} {
		bus.away, bus.said = step.away, step.others
		if _, err := p.hear(t.Context()); err != nil || src.share != step.want {
			t.Errorf("step %d: limits are divided by %d, not by %d; %v", i, src.share, step.want, err)
		}
	}
}

// TestLimitsAsOneComes has a process join another while there are limits, and end. The two never have more
// than the limits together, and who stays has all of them at once.
func TestLimitsAsOneComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		rng := rand.New(rand.NewPCG(seed, 1))
		h := newHub(rng, 0)
		first := newTestProcess(t, NewLocal()).o
		first.Engine.LimitFiles = 100
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		var fetching [2]atomic.Bool
		var share [2]atomic.Int64
		var ended [2]chan error
		join := func(ctx context.Context, i int) {
			o := first
			l := newLife()
			o.Process, o.Bus = fmt.Sprint("p", i), h.join(fmt.Sprint("p", i), l)
			o.source = &shareSource{&fakeSource{l: l, rng: rng, origin: &fakeOrigin{names: []string{"a", "b", "c", "d"}, page: 1}}, &fetching[i], &share[i]}
			o.SegmentNames = 1
			p, err := Open(o)
			if err != nil {
				t.Error(err)
			}
			ended[i] = make(chan error, 1)
			go func() { _, err := p.Run(ctx); ended[i] <- err }()
		}
		join(ctx, 0)
		time.Sleep(time.Minute + time.Duration(rng.Int64N(int64(time.Second))))
		if n := share[0].Load(); n != 1 || !fetching[0].Load() {
			t.Fatalf("alone: the limits are divided by %d, it fetches: %v", n, fetching[0].Load())
		}
		leaving, leave := context.WithCancelCause(ctx)
		join(leaving, 1)
		for !fetching[1].Load() {
			time.Sleep(time.Millisecond)
		}
		if a, b := share[0].Load(), share[1].Load(); a != 2 || b != 2 {
			t.Errorf("as the second one begins to fetch: the limits are divided by %d and by %d", a, b)
		}
		leave(errStopped)
		if err := <-ended[1]; !errors.Is(err, errStopped) {
			t.Error(err)
		}
		time.Sleep(reportEvery + time.Millisecond)
		if n := share[0].Load(); n != 1 {
			t.Errorf("a second after the other ended the limits are divided by %d", n)
		}
		cancel(errStopped)
		<-ended[0]
	})
}

// shareSource is a source that is for ever at each segment, and says so, and by how many limits are divided.
type shareSource struct {
	*fakeSource
	fetching *atomic.Bool
	share    *atomic.Int64
}

func (s *shareSource) Share(n int) { s.share.Store(int64(n)) }

func (s *shareSource) Fetch(ctx context.Context, _ *named, _ output) (cache.ContentCounts, error) {
	s.fetching.Store(true)
	<-ctx.Done()
	return cache.ContentCounts{}, context.Cause(ctx)
}
