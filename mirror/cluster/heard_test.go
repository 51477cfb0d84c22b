package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/motefs/motefs/mirror/objects/objectstest"
	"github.com/motefs/motefs/mirror/segments"
)

// newTestProcess is a process over a store that has no mirror yet.
func newTestProcess(t *testing.T, bus Bus) *Process {
	t.Helper()
	store := objectstest.New(objectstest.Options{})
	head, err := segments.Open(t.Context(), store, modelOrigin, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	p, err := Open(Options{
		Store: store, Mirror: head, Bus: bus,
		source: &fakeSource{l: newLife(), rng: rand.New(rand.NewPCG(1, 1)), origin: &fakeOrigin{names: []string{"a", "b"}, page: 10}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// telling is a bus over which others have reported.
type telling struct {
	Bus
	said map[string][]byte
}

func (b *telling) Reports(context.Context) (map[string][]byte, error) { return b.said, nil }

// TestHeardNumbers hears of numbers that add up to less than nothing.
func TestHeardNumbers(t *testing.T) {
	bus := &telling{NewLocal(), map[string][]byte{}}
	for i, idle := range []int{math.MaxInt, math.MaxInt, math.MinInt} {
		text, err := json.Marshal(Report{Idle: idle, Leader: &Leading{Totals: Totals{Sealed: 2, Segments: 1}}})
		if err != nil {
			t.Fatal(err)
		}
		bus.said[fmt.Sprint("p", i)] = text
	}
	p := newTestProcess(t, bus)
	if _, err := p.hear(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := p.idle(); n != 2*maxSlots {
		t.Errorf("%d slots are idle", n)
	}
	for _, r := range p.Others() {
		if n := r.Leader.Left(); n != 0 {
			t.Errorf("%d segments are left", n)
		}
	}
	p.setLeading(&Leading{})
	if err := newKeeper(p, 1).offer(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestOvertakeMore has two be at a segment who say so for ever. A third one is to work at it too; later,
// where they wait for files that did not come.
func TestOvertakeMore(t *testing.T) {
	for waiting, after := range map[bool]time.Duration{false: overtakeAfter, true: overtakeWaiting} {
		synctest.Test(t, func(t *testing.T) {
			p := newTestProcess(t, NewLocal())
			p.mu.others = []Report{{Process: "p1", Working: []Working{{Seq: 0}}}, {Process: "p2", Working: []Working{{Seq: 0, Waiting: waiting}}}, {Process: "p3", Idle: 1}}
			p.setLeading(&Leading{})
			k := newKeeper(p, 1)
			k.known = 1
			began := time.Now()
			for len(p.Report().Leader.Overtake) == 0 {
				if err := k.offer(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(sealEvery)
				if time.Since(began) > 10*after {
					t.Fatal("nobody is to overtake them")
				}
			}
			if took := time.Since(began); took < 2*after {
				t.Errorf("after %v already", took)
			}
		})
	}
}

// TestOfferPastWaiting has as many segments wait for files that did not come as are offered at a time: others
// are offered meanwhile.
func TestOfferPastWaiting(t *testing.T) {
	bus := NewLocal()
	p := newTestProcess(t, bus)
	r := Report{Process: "p1"}
	for seq := range uint64(offerAhead) {
		r.Working = append(r.Working, Working{Seq: seq, Waiting: true})
	}
	p.mu.others = []Report{r}
	p.setLeading(&Leading{})
	k := newKeeper(p, 1)
	k.known = offerAhead + 1
	if err := k.offer(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if item, err := bus.Pull(ctx); err != nil || item.Seq() != offerAhead {
		t.Errorf("%v, %v", item, err)
	}
}

// deaf is a bus that is away.
type deaf struct{ *Local }

func (deaf) Report(ctx context.Context, _ []byte) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

func (deaf) Pull(ctx context.Context) (Item, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func (d deaf) Lease() Lease { return d }

func (deaf) Acquire(ctx context.Context) (context.Context, uint64, error) {
	<-ctx.Done()
	return nil, 0, context.Cause(ctx)
}

func (deaf) Release(context.Context) error { return nil }

// TestBusEnds has the bus be gone for good, with the process that ran it, while the mirror becomes
// complete. Who is left finds that in the store.
func TestBusEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		p := newTestProcess(t, deaf{NewLocal()})
		ended := make(chan error, 1)
		go func() { _, err := p.Run(ctx); ended <- err }()
		if err := sleep(ctx, time.Second); err != nil {
			t.Fatal(err)
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
		if err := <-ended; err != nil {
			t.Errorf("a process without a bus: %v", err)
		}
	})
}
