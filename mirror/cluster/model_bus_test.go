package cluster

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// hub is a bus between processes that forgets, repeats, reorders and delays, by a seed.
type hub struct {
	mu     sync.Mutex
	rng    *rand.Rand
	worse  float64 // from 0, where it is well, to 1
	queue  []uint64
	given  map[int]*hubItem // by a number
	next   int
	change chan struct{}
	epoch  uint64
	holder *hubLease // who has the lease as far as the hub knows
	told   map[string][]byte
	heard  map[string]time.Time // when it was told
	wiped  int
	terms  int
	late   int // holders that were not told for a while that they lost the lease
}

func newHub(rng *rand.Rand, worse float64) *hub {
	return &hub{rng: rng, worse: worse, given: map[int]*hubItem{}, change: make(chan struct{}), told: map[string][]byte{}, heard: map[string]time.Time{}}
}

// often says yes with a probability that grows with how bad the hub is.
func (h *hub) oftenLocked(p float64) bool { return h.rng.Float64() < p*h.worse }

func (h *hub) wakeLocked() {
	close(h.change)
	h.change = make(chan struct{})
}

// hasLocked reports whether a segment is queued or given out.
func (h *hub) hasLocked(seq uint64) bool {
	for _, i := range h.given {
		if i.seq == seq {
			return true
		}
	}
	return slices.Contains(h.queue, seq)
}

// wipe has it forget the queue, and who has the lease.
func (h *hub) wipe() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.queue, h.epoch, h.holder = nil, 0, nil
	clear(h.given)
	h.wiped++
	h.wakeLocked()
}

// join returns the bus of one life.
func (h *hub) join(id string, l *life) *hubBus { return &hubBus{h: h, id: id, l: l} }

type hubBus struct {
	h  *hub
	id string
	l  *life
}

func (b *hubBus) delay(ctx context.Context) error {
	b.h.mu.Lock()
	d := time.Duration(0)
	if b.h.oftenLocked(0.3) {
		d = time.Duration(b.h.rng.IntN(int(5 * time.Second)))
	}
	b.h.mu.Unlock()
	if err := sleep(ctx, d); err != nil {
		return err
	}
	return b.l.pass()
}

func (b *hubBus) Offer(ctx context.Context, seqs []uint64) error {
	if err := b.delay(ctx); err != nil {
		return err
	}
	b.h.mu.Lock()
	defer b.h.mu.Unlock()
	for _, seq := range seqs {
		if b.h.oftenLocked(0.2) || b.h.hasLocked(seq) && !b.h.oftenLocked(0.5) {
			continue
		}
		b.h.queue = append(b.h.queue, seq)
		if b.h.oftenLocked(0.1) {
			b.h.queue = append(b.h.queue, seq)
		}
	}
	b.h.wakeLocked()
	return nil
}

// OfferAgain takes items from whoever has them.
func (b *hubBus) OfferAgain(ctx context.Context, seqs []uint64) error {
	b.h.mu.Lock()
	for n, i := range b.h.given {
		if slices.Contains(seqs, i.seq) {
			delete(b.h.given, n)
		}
	}
	b.h.mu.Unlock()
	return b.Offer(ctx, seqs)
}

func (b *hubBus) Pull(ctx context.Context) (Item, error) {
	for {
		if err := b.delay(ctx); err != nil {
			return nil, err
		}
		b.h.mu.Lock()
		now := time.Now()
		again := time.Hour
		for n, i := range b.h.given { // who says nothing loses it
			if left := i.until.Sub(now); left <= 0 {
				b.h.queue = append(b.h.queue, i.seq)
				delete(b.h.given, n)
			} else {
				again = min(again, left)
			}
		}
		if len(b.h.queue) > 0 {
			k := 0
			if b.h.oftenLocked(0.5) {
				k = b.h.rng.IntN(len(b.h.queue))
			}
			seq := b.h.queue[k]
			b.h.queue = append(b.h.queue[:k], b.h.queue[k+1:]...)
			b.h.next++
			i := &hubItem{b: b, n: b.h.next, seq: seq, until: now.Add(ItemTimeout)}
			b.h.given[i.n] = i
			b.h.mu.Unlock()
			return i, nil
		}
		change := b.h.change
		b.h.mu.Unlock()
		select {
		case <-change:
		case <-time.After(again):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-b.l.dead:
			return nil, errKilled
		}
	}
}

func (b *hubBus) Report(ctx context.Context, report []byte) error {
	if err := b.delay(ctx); err != nil {
		return err
	}
	b.h.mu.Lock()
	defer b.h.mu.Unlock()
	if len(report) == 0 {
		delete(b.h.told, b.id)
	} else if !b.h.oftenLocked(0.2) {
		b.h.told[b.id], b.h.heard[b.id] = report, time.Now()
	}
	return nil
}

func (b *hubBus) Reports(ctx context.Context) (map[string][]byte, error) {
	if err := b.delay(ctx); err != nil {
		return nil, err
	}
	b.h.mu.Lock()
	defer b.h.mu.Unlock()
	all := maps.Clone(b.h.told)
	delete(all, b.id)
	for id := range all {
		if b.h.oftenLocked(0.1) || time.Since(b.h.heard[id]) > 10*time.Second {
			delete(all, id)
		}
	}
	return all, nil
}

func (b *hubBus) Lease() Lease { return &hubLease{b: b} }
func (b *hubBus) Close() error { return nil }

type hubItem struct {
	b     *hubBus
	n     int
	seq   uint64
	until time.Time
}

func (i *hubItem) Seq() uint64 { return i.seq }
func (i *hubItem) Tries() int  { return 1 }

func (i *hubItem) tell(ctx context.Context, f func()) error {
	if err := i.b.delay(ctx); err != nil {
		return err
	}
	i.b.h.mu.Lock()
	defer i.b.h.mu.Unlock()
	if i.b.h.given[i.n] == i && !i.b.h.oftenLocked(0.1) {
		f()
	}
	return nil
}

func (i *hubItem) Working(ctx context.Context) error {
	return i.tell(ctx, func() { i.until = time.Now().Add(ItemTimeout) })
}

func (i *hubItem) Done(ctx context.Context) error {
	return i.tell(ctx, func() { delete(i.b.h.given, i.n) })
}

func (i *hubItem) Back(ctx context.Context, after time.Duration) error {
	return i.tell(ctx, func() {
		i.until = time.Now().Add(after)
		i.b.h.wakeLocked()
	})
}

// hubLease is one term of the lease.
type hubLease struct {
	b     *hubBus
	renew time.Time // by the hub's clock
	lose  context.CancelFunc
}

func (l *hubLease) Acquire(ctx context.Context) (context.Context, uint64, error) {
	h := l.b.h
	for {
		if err := l.b.delay(ctx); err != nil {
			return nil, 0, err
		}
		h.mu.Lock()
		if h.holder == nil || time.Since(h.holder.renew) > LeaseTimeout {
			held, lose := context.WithCancel(ctx)
			l.lose, l.renew = lose, time.Now()
			h.holder = l
			h.epoch++
			h.terms++
			epoch := h.epoch
			h.mu.Unlock()
			go l.keep(held, lose)
			return held, epoch, nil
		}
		h.mu.Unlock()
		if err := sleep(ctx, time.Second); err != nil {
			return nil, 0, err
		}
	}
}

// keep renews a term, until the hub has another holder. The hub may be late to say so.
func (l *hubLease) keep(held context.Context, lose context.CancelFunc) {
	h := l.b.h
	for {
		if sleep(held, 2*time.Second) != nil || l.b.l.pass() != nil {
			return
		}
		h.mu.Lock()
		lost, lag := h.holder != l, time.Duration(0)
		if !lost && !h.oftenLocked(0.2) {
			l.renew = time.Now()
		}
		if lost && h.oftenLocked(0.7) {
			lag = time.Duration(h.rng.IntN(int(time.Minute)))
			h.late++
		}
		h.mu.Unlock()
		if lost {
			_ = sleep(held, lag)
			lose()
			return
		}
	}
}

func (l *hubLease) Release(context.Context) error {
	h := l.b.h
	if l.b.l.pass() != nil {
		return errKilled
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if l.lose != nil {
		l.lose()
	}
	if h.holder == l {
		h.holder = nil
	}
	return nil
}
