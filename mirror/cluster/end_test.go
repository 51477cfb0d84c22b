package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/objectstest"
	"github.com/motefs/motefs/mirror/segments"
	"github.com/rs/zerolog"
)

// timed is a store that notes when the newest commit and the newest manifest came.
type timed struct {
	objects.Store
	mu               sync.Mutex
	commit, manifest time.Time
}

func (s *timed) Create(ctx context.Context, name string, body objects.Body) error {
	err := s.Store.Create(ctx, name, body)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
	case strings.HasPrefix(name, segments.CommitsPrefix):
		s.commit = time.Now()
	case strings.HasPrefix(name, segments.ManifestsPrefix):
		s.manifest = time.Now()
	}
	return err
}

// lazy is a source that lists, and fetches nothing that it is to.
type lazy struct{ *fakeSource }

func (lazy) Fetch(ctx context.Context, _ *named, _ output) (cache.ContentCounts, error) {
	<-ctx.Done()
	return cache.ContentCounts{}, context.Cause(ctx)
}

// late is a source that takes so long for each segment.
type late struct {
	*fakeSource
	takes time.Duration
}

func (l late) Fetch(ctx context.Context, seg *named, out output) (cache.ContentCounts, error) {
	if err := sleep(ctx, l.takes); err != nil {
		return cache.ContentCounts{}, err
	}
	table := objects.BytesBody([]byte("table"))
	return cache.ContentCounts{Fetched: seg.Part.Files}, out.Table(ctx, 0, table, 1, nil)
}

// mostEnd is how long after the last commit all have ended: a report of who committed, one of the
// leader, and how often both are heard, and what is waited for the others.
const mostEnd = 2 * time.Second

// TestEnd has the last commit be one of a process that does not lead. The manifest of it comes as
// soon as the leader can have heard of it, and then all end.
func TestEnd(t *testing.T) {
	for tenths := range 50 {
		tenth := time.Duration(tenths) * 100 * time.Millisecond
		for names, takes := range map[int]time.Duration{5: 8 * time.Second, 60: 100 * time.Millisecond} {
			t.Run(fmt.Sprint(names, tenth), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testEnd(t, names, takes, 2*time.Second+tenth) })
			})
		}
	}
}

func testEnd(t *testing.T, names int, takes, begin time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	store := &timed{Store: objectstest.New(objectstest.Options{})}
	head, err := segments.Open(ctx, store, modelOrigin, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	origin := &fakeOrigin{page: 100}
	for i := range names {
		origin.names = append(origin.names, fmt.Sprintf("f%05d", i))
	}
	hub := newHub(rand.New(rand.NewPCG(1, 1)), 0)
	var wg sync.WaitGroup
	defer wg.Wait()
	var mu sync.Mutex
	var ended time.Time
	bus := &hearing{}
	start := func(i int, src source) {
		id := fmt.Sprint("p", i)
		joined := hub.join(id, newLife())
		o := Options{Store: store, Mirror: head, Bus: joined, Process: id, SegmentNames: 1, Slots: 1, source: src}
		if i == 0 {
			bus.hubBus = joined
			o.Bus = bus
		}
		p, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			if result, err := p.Run(ctx); err != nil || !result.Complete {
				t.Errorf("%s: %+v, %v", id, result, err)
			}
			mu.Lock()
			defer mu.Unlock()
			ended = time.Now()
		})
	}
	newSource := func(i int) *fakeSource {
		return &fakeSource{l: newLife(), rng: rand.New(rand.NewPCG(3, uint64(i))), origin: origin}
	}
	idlers := names <= nearEnd // the others overtake them
	if idlers {
		start(0, lazy{newSource(0)})
	} else {
		start(0, late{newSource(0), 10 * takes})
	}
	if err := sleep(ctx, begin); err != nil { // it leads
		t.Fatal(err)
	}
	for i := range max(names/10, 1) {
		start(3+i, late{newSource(3 + i), takes})
	}
	if idlers {
		start(2, lazy{newSource(2)})
	}
	wg.Wait()
	if took := store.manifest.Sub(store.commit); took > 2*reportEvery {
		t.Errorf("with %d names, begun after %v, the last manifest is written %v after the last commit", names, begin, took)
	}
	if took := ended.Sub(store.commit); took > mostEnd {
		t.Errorf("with %d names, begun after %v, the last process ends %v after the last commit", names, begin, took)
	}
	if len(bus.ended) != 1 {
		t.Errorf("the bus of the leader was told %d times that the mirror is complete", len(bus.ended))
	}
}

// hearing is a bus that is told when the mirror is complete.
type hearing struct {
	*hubBus
	ended [][]byte
}

func (h *hearing) Complete(_ context.Context, report []byte) error {
	h.ended = append(h.ended, report)
	return nil
}

// stopping is a bus at which a process is stopped while it waits for the others to know that all is
// done.
type stopping struct {
	Bus
	stop context.CancelFunc
}

func (b *stopping) Report(ctx context.Context, text []byte) error {
	if strings.Contains(string(text), `"complete":true`) {
		b.stop()
	}
	return b.Bus.Report(ctx, text)
}

// TestStoppedAtTheEnd: who is stopped once the mirror is complete knows that it is.
func TestStoppedAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		p := newTestProcess(t, &stopping{NewLocal(), cancel})
		if result, err := p.Run(ctx); !result.Complete || err == nil {
			t.Errorf("%+v, %v", result, err)
		}
	})
}

// overBus is a bus that is told that the mirror is complete.
type overBus struct {
	deaf
	over    atomic.Bool
	goOns   atomic.Int64
	refuses int64 // to go on, so often
}

func (b *overBus) Over() bool { return b.over.Load() }

func (b *overBus) GoOn(context.Context) error {
	if b.goOns.Add(1) <= b.refuses {
		return errors.New("not allowed")
	}
	b.over.Store(false)
	return nil
}

// TestBusOver has the bus say that the mirror is complete, first though it is not, and then as it is. Who
// hears nothing else finds that out within a moment. A bus that cannot go on is asked again, and told of once.
func TestBusOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		bus := &overBus{deaf: deaf{NewLocal()}, refuses: 2}
		bus.over.Store(true)
		p := newTestProcess(t, bus)
		var log bytes.Buffer
		p.o.Log = zerolog.New(zerolog.SyncWriter(&log))
		ended := make(chan error, 1)
		go func() { _, err := p.Run(ctx); ended <- err }()
		time.Sleep(4 * (reportEvery + reportTimeout))
		if n := bus.goOns.Load(); n != bus.refuses+1 {
			t.Errorf("it goes on %d times", n)
		}
		o := p.o
		o.Bus = NewLocal()
		other, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Run(ctx); err != nil {
			t.Fatal(err)
		}
		bus.over.Store(true)
		began := time.Now()
		if err := <-ended; err != nil || time.Since(began) > 2*(reportEvery+reportTimeout)+endTimeout {
			t.Errorf("it ends after %v: %v", time.Since(began), err)
		}
		if n := strings.Count(log.String(), "gone on with"); n != 1 {
			t.Errorf("the log tells of it %d times", n)
		}
	})
}
