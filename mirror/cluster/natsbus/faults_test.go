package natsbus_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/motefs/motefs/mirror/cluster/natsbus"
	"github.com/motefs/motefs/mirror/cluster/natsbus/natstest"
)

var (
	seed  = flag.Uint64("natsbus.seed", 0, "the first `seed` of TestFaults; 0 is a random one")
	say   = flag.Bool("natsbus.say", false, "show what the buses of TestFaults log")
	seeds = flag.Int("natsbus.seeds", 1, "how many seeds TestFaults takes, some 40 s each")
)

// faults are what happens to three servers, each with what ends it.
var faults = []struct {
	name string
	do   func(t *testing.T, c *natstest.Cluster, i int) (end func())
}{
	{"a server is killed", func(t *testing.T, c *natstest.Cluster, i int) func() {
		c.Kill(i)
		return func() { c.Start(i) }
	}},
	{"a server is killed and its disk wiped", func(t *testing.T, c *natstest.Cluster, i int) func() {
		c.Kill(i)
		c.Wipe(i)
		return func() { c.Start(i) }
	}},
	{"two servers are killed", func(t *testing.T, c *natstest.Cluster, i int) func() {
		c.Kill(i)
		c.Kill((i + 1) % 3)
		return func() {
			c.Start(i)
			c.Start((i + 1) % 3)
		}
	}},
	{"all servers are killed", func(t *testing.T, c *natstest.Cluster, i int) func() {
		for i := range 3 {
			c.Kill(i)
		}
		return func() {
			for i := range 3 {
				c.Start(i)
			}
		}
	}},
	{"a server is cut off from the others", func(t *testing.T, c *natstest.Cluster, i int) func() {
		c.Isolate(i)
		return func() { c.Rejoin(i) }
	}},
	{"the clients of a server are cut off", func(t *testing.T, c *natstest.Cluster, i int) func() {
		c.Link(i).Cut()
		return func() { c.Link(i).Mend() }
	}},
	{"all clients are cut off", func(t *testing.T, c *natstest.Cluster, i int) func() {
		c.CutAll()
		return c.MendAll
	}},
	{"the queue is purged", func(t *testing.T, c *natstest.Cluster, i int) func() {
		return func() { // once the servers answer
			c.Purge(stream)
		}
	}},
	{"the queue is deleted", func(t *testing.T, c *natstest.Cluster, i int) func() {
		return func() { c.Delete(stream) }
	}},
}

// truth is what an object store would know: the chain, and what is committed.
type truth struct {
	mu        sync.Mutex
	listed    uint64
	complete  bool            // no more are listed
	committed map[uint64]int  // how often each was worked at to its end
	held      context.Context // of the last holder
	epoch     uint64
	done      chan struct{} // closed when it is complete and nothing is left
}

func newTruth() *truth { return &truth{committed: map[uint64]int{}, done: make(chan struct{})} }

// commit is the end of a segment.
func (s *truth) commit(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.committed[seq]++
	s.endLocked()
}

// end ends the listing.
func (s *truth) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.complete = true
	s.endLocked()
}

func (s *truth) endLocked() {
	if !s.complete || uint64(len(s.committed)) < s.listed {
		return
	}
	select {
	case <-s.done:
	default:
		close(s.done)
	}
}

// list lists some more segments.
func (s *truth) list(n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.complete {
		s.listed += n
	}
}

// lead takes note of a holder of the lease.
func (s *truth) lead(held context.Context, t *testing.T, epoch uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held != nil && s.held.Err() == nil && held.Err() == nil {
		t.Errorf("epoch %d is held while epoch %d is", epoch, s.epoch)
	}
	if epoch <= s.epoch {
		t.Errorf("epoch %d after epoch %d", epoch, s.epoch)
	}
	s.held, s.epoch = held, epoch
}

// left returns what is listed and not committed.
func (s *truth) left() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var seqs []uint64
	for seq := range s.listed {
		if s.committed[seq] == 0 {
			seqs = append(seqs, seq)
		}
	}
	return seqs
}

// Whatever happens to the servers, each segment is worked at, as the holder of the lease offers again
// what is left; of the lease one process at a time has it, with a higher epoch each time.
func TestFaults(t *testing.T) {
	from := *seed
	for from == 0 {
		from = rand.Uint64N(1 << 32)
	}
	for i := range *seeds {
		seed := from + uint64(i)
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { testFaults(t, rand.New(rand.NewPCG(seed, 0))) })
	}
}

func testFaults(t *testing.T, r *rand.Rand) {
	const processes, rounds = 3, 4
	c := natstest.New(t, 3)
	s := newTruth()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	stop, end := context.WithCancel(ctx)
	defer end()
	for range processes {
		o := options(t, c.URL())
		if !*say {
			o.Log = zerolog.Nop() // its warnings are no news here
		}
		b := join(t, o)
		slow := time.Duration(1+r.IntN(30)) * time.Millisecond
		abandon := 5 + r.IntN(20)
		wg.Go(func() { work(stop, t, b, s, slow, abandon) })
		wg.Go(func() { lead(stop, t, b, s) })
	}
	for range rounds {
		fault, server, lasts := faults[r.IntN(len(faults))], r.IntN(3), time.Duration(r.IntN(8000))*time.Millisecond
		t.Logf("for %v %s (%d)", lasts, fault.name, server)
		mend := fault.do(t, c, server)
		select {
		case <-time.After(lasts): // how long the fault is, not what is waited for
		case <-ctx.Done():
		}
		mend()
		c.Await()
	}
	s.end()
	select {
	case <-s.done:
	case <-ctx.Done():
		t.Fatalf("%d segments are never given out: %v", len(s.left()), s.left())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	twice := 0
	for _, times := range s.committed {
		twice += times - 1
	}
	if s.listed == 0 {
		t.Error("nothing was listed in all that time")
	}
	t.Logf("%d of %d segments worked at once more; the last epoch is %d", twice, s.listed, s.epoch)
}

// work works at segments, and leaves some of them.
func work(ctx context.Context, t *testing.T, b *natsbus.Bus, s *truth, slow time.Duration, abandon int) {
	for i := 1; ; i++ {
		item, err := b.Pull(ctx)
		if err != nil {
			if ctx.Err() == nil {
				t.Errorf("pull: %v", err)
			}
			return
		}
		if i%abandon == 0 {
			continue // as who dies does
		}
		select {
		case <-time.After(slow):
		case <-ctx.Done():
			return
		}
		s.commit(item.Seq())
		if err := item.Done(ctx); err != nil && ctx.Err() == nil {
			t.Errorf("done: %v", err)
		}
	}
}

// lead lists, and offers what is left, for as long as it has the lease. It gives that up now and
// then.
func lead(ctx context.Context, t *testing.T, b *natsbus.Bus, s *truth) {
	for ctx.Err() == nil {
		held, epoch, err := b.Lease().Acquire(ctx)
		if err != nil {
			if ctx.Err() == nil {
				t.Errorf("acquire: %v", err)
			}
			return
		}
		s.lead(held, t, epoch)
		tick := time.NewTicker(100 * time.Millisecond)
		for i := 0; i < 100 && held.Err() == nil && ctx.Err() == nil; i++ {
			s.list(5)
			if err := b.Offer(held, s.left()); err != nil && held.Err() == nil {
				t.Errorf("offer: %v", err)
			}
			select {
			case <-held.Done():
			case <-ctx.Done():
			case <-b.Lost():
			case <-tick.C:
			}
		}
		tick.Stop()
		if err := b.Lease().Release(ctx); err != nil && ctx.Err() == nil {
			t.Errorf("release: %v", err)
		}
	}
}
