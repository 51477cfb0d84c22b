package clustertest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// setting reads a number from the environment: those of make soak-cluster.
func setting(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	must(t, err)
	return n
}

// stormed is what storms have cost.
type stormed struct {
	seeds, kills, sleeps, again, segments int
	pause, relisted                       time.Duration
	did                                   map[string]int
}

// TestClusterStorm has random faults happen to processes that make a mirror, several at a time.
func TestClusterStorm(t *testing.T) {
	seeds, first := setting(t, "STORM_SEEDS", 2), setting(t, "STORM_SEED", rand.Uint64N(1<<32))
	w := newWorld(t)
	all := stormed{did: map[string]int{}}
	for seed := first; seed < first+seeds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("STORM_SEED=%d STORM_SEEDS=1 go test ./cmd/motefs/internal/clustertest -run TestClusterStorm", seed)
				}
			}()
			storm(t, w, rand.New(rand.NewPCG(seed, 0)), &all)
		})
	}
	t.Logf("from seed %d on: %d of %d runs whole, of %d segments: %d kills, %d stops, %d segments fetched again, at most %v without a commit, listed on after %v at most; %v",
		first, all.seeds, seeds, all.segments, all.kills, all.sleeps, all.again, all.pause, all.relisted, all.did)
}

func storm(t *testing.T, w *world, rng *rand.Rand, all *stormed) {
	r := w.begin(t, 300+rng.Int64N(1200), time.Duration(3+rng.IntN(15))*time.Millisecond, time.Duration(rng.IntN(200))*time.Millisecond)
	for range 2 + rng.IntN(2) {
		r.join()
	}
	for range 2 + rng.IntN(4) {
		r.committed(min(r.count("commits")+1+rng.IntN(4), r.segments()))
		r.begun()
		if len(r.live()) == 0 {
			break
		}
		gust := gusts[rng.IntN(len(gusts))]
		lasts := time.Duration(rng.IntN(3000)) * time.Millisecond
		t.Logf("%s, for %v", gust.name, lasts)
		all.did[gust.name]++
		gust.do(r, rng, lasts)
		for len(r.live()) < 2 {
			r.join()
		}
	}
	r.finish()
	again := r.check()
	t.Log(r.figures(again))
	all.kills, all.sleeps, all.again, all.segments = all.kills+r.kills, all.sleeps+r.sleeps, all.again+again, all.segments+r.segments()
	all.pause, all.relisted = max(all.pause, r.pause()), max(all.relisted, r.relisted())
	if !t.Failed() {
		all.seeds++
	}
}

// gusts are the faults of a storm.
var gusts = []struct {
	name string
	do   func(r *run, rng *rand.Rand, lasts time.Duration)
}{
	{"one is killed", func(r *run, rng *rand.Rand, _ time.Duration) { r.killAny(rng) }},
	{"the lister is killed", func(r *run, rng *rand.Rand, _ time.Duration) {
		if m := r.lister(); m != nil {
			r.killLister(m)
		}
	}},
	{"all are killed", func(r *run, _ *rand.Rand, _ time.Duration) {
		for _, m := range r.live() {
			r.kill(m)
		}
	}},
	{"one is stopped", func(r *run, rng *rand.Rand, lasts time.Duration) {
		if m := r.any(rng); m != nil {
			r.stop(m, lasts)
		}
	}},
	{"the lister is stopped", func(r *run, rng *rand.Rand, lasts time.Duration) {
		if m := r.lister(); m != nil {
			r.stop(m, lasts)
		}
	}},
	{"a server of NATS is killed", func(r *run, rng *rand.Rand, lasts time.Duration) { r.down(lasts, false, rng.IntN(3)) }},
	{"two servers of NATS are killed", func(r *run, rng *rand.Rand, lasts time.Duration) { i := rng.IntN(3); r.down(lasts, false, i, (i+1)%3) }},
	{"all servers of NATS are killed", func(r *run, _ *rand.Rand, lasts time.Duration) { r.down(lasts, false, 0, 1, 2) }},
	{"all servers of NATS are wiped", func(r *run, _ *rand.Rand, lasts time.Duration) { r.down(lasts, true, 0, 1, 2) }},
	{"the queue is purged", func(r *run, _ *rand.Rand, _ time.Duration) { r.nats.Purge(r.stream()) }},
	{"the queue is deleted", func(r *run, _ *rand.Rand, _ time.Duration) { r.nats.Delete(r.stream()) }},
	{"all are cut off NATS", func(r *run, _ *rand.Rand, lasts time.Duration) {
		r.cutOff(2*lasts, r.live()...)
	}},
	{"one is cut off NATS", func(r *run, rng *rand.Rand, lasts time.Duration) {
		if m := r.any(rng); m != nil {
			r.cutOff(3*lasts, m)
		}
	}},
	{"a server of NATS is cut off the others", func(r *run, rng *rand.Rand, lasts time.Duration) {
		i := rng.IntN(3)
		r.nats.Isolate(i)
		r.rest(lasts)
		r.nats.Rejoin(i)
	}},
	{"the object store is away", func(r *run, _ *rand.Rand, lasts time.Duration) { r.forAll(trouble{away: true}, lasts) }},
	{"the object store says 503", func(r *run, _ *rand.Rand, lasts time.Duration) { r.forAll(trouble{refuse: true}, lasts) }},
	{"the object store is slow", func(r *run, rng *rand.Rand, lasts time.Duration) {
		r.forAll(trouble{slow: time.Duration(rng.IntN(500)) * time.Millisecond}, lasts)
	}},
	{"answers of the object store are lost", func(r *run, rng *rand.Rand, lasts time.Duration) {
		r.forAll(trouble{lose: 2 + rng.Int64N(3)}, lasts)
	}},
	{"one is cut off the objects", func(r *run, rng *rand.Rand, lasts time.Duration) {
		if m := r.any(rng); m != nil {
			m.door.be(trouble{silent: true})
			r.rest(2 * lasts)
			m.door.be(trouble{})
		}
	}},
}

// any is one of those that live, nil where none does.
func (r *run) any(rng *rand.Rand) *member {
	all, n := r.live(), rng.IntN(1<<20)
	if len(all) == 0 {
		return nil
	}
	return all[n%len(all)]
}

func (r *run) killAny(rng *rand.Rand) {
	if m := r.any(rng); m != nil {
		r.kill(m)
	}
}

// stop has a process sleep for a while, past its lease at times.
func (r *run) stop(m *member, lasts time.Duration) {
	r.sleep(m)
	r.rest(2 * lasts)
	r.wake(m)
}

// down has servers of NATS be down for a while.
func (r *run) down(lasts time.Duration, wiped bool, servers ...int) {
	for _, i := range servers {
		r.nats.Kill(i)
		if wiped {
			r.nats.Wipe(i)
		}
	}
	r.rest(lasts)
	for _, i := range servers {
		r.nats.Start(i)
	}
	r.nats.Await()
}
