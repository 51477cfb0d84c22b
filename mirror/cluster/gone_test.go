package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/objects/objectstest"
	"github.com/motefs/motefs/mirror/segments"
)

// TestGoneWorker kills a process that is at a segment, the leader or another one. What it was at is
// fetched by others well before the bus misses it.
func TestGoneWorker(t *testing.T) {
	kills, worst := 0, time.Duration(0)
	for _, leader := range []bool{true, false} {
		for seed := range uint64(10) {
			t.Run(fmt.Sprintf("leader %v %d", leader, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testGoneWorker(t, seed, leader, &kills, &worst) })
			})
		}
	}
	t.Logf("%d killed, all is there at most %v after that", kills, worst)
	if kills < 10 {
		t.Errorf("only %d were killed", kills)
	}
}

func testGoneWorker(t *testing.T, seed uint64, leader bool, kills *int, worst *time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	store := objectstest.New(objectstest.Options{})
	head, err := segments.Open(ctx, store, modelOrigin, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	origin := &fakeOrigin{page: 30}
	for i := range 120 {
		origin.names = append(origin.names, fmt.Sprintf("d/f%05d", i))
	}
	hub := newHub(rand.New(rand.NewPCG(seed, 1)), 0)
	var all []*Process
	var lives []*life
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := range 3 {
		l, id := newLife(), fmt.Sprint("p", i)
		p, err := Open(Options{
			Store: gate{store, l}, Mirror: head, Bus: hub.join(id, l), Process: id, SegmentNames: 30, Slots: 1,
			source: &fakeSource{l: l, rng: rand.New(rand.NewPCG(seed, uint64(i))), origin: origin, slow: 4 * time.Second},
		})
		if err != nil {
			t.Fatal(err)
		}
		all, lives = append(all, p), append(lives, l)
		wg.Go(func() {
			if _, err := p.Run(ctx); err != nil && !errors.Is(err, errKilled) && !errors.Is(err, mirror.ErrOutage) { // which the source draws
				t.Errorf("%s: %v", id, err)
			}
		})
	}
	victim := -1
	for victim < 0 {
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		for i, p := range all {
			r := p.Report()
			if r.Complete {
				return // nobody was at anything for long enough
			}
			if len(r.Working) > 0 && r.Working[0].Seconds > 1.5 && p.leads() == leader {
				victim = i
			}
		}
	}
	killed := time.Now()
	lives[victim].kill()
	wg.Wait()
	*kills++
	took := time.Since(killed)
	*worst = max(*worst, took)
	if took >= ItemTimeout-5*time.Second {
		t.Errorf("all is there %v after the kill", took)
	}
}

// againRecorder is a bus that is told of segments that are offered again.
type againRecorder struct {
	*Local
	again []uint64
}

func (b *againRecorder) OfferAgain(_ context.Context, seqs []uint64) error {
	b.again = append(b.again, seqs...)
	return nil
}

// TestManyLooks has the leader look many times, as it does near the end, before it can hear who was given a
// segment just now. It is not offered again then, but once nobody is at it for a while.
func TestManyLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &againRecorder{Local: NewLocal()}
		k := newKeeper(newTestProcess(t, bus), 1)
		k.known = 1
		k.p.addIdle(1)
		look := func(want int) {
			t.Helper()
			if err := k.offer(t.Context()); err != nil || len(bus.again) != want {
				t.Errorf("offered again: %d, %v", bus.again, err)
			}
		}
		for range 10 {
			look(0)
			time.Sleep(hearEvery)
		}
		time.Sleep(stillFor)
		look(1)
		look(1)
	})
}
