package cluster

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Local is the bus of a process that is alone. Its queue has each segment once, until that is
// done.
type Local struct {
	lease localLease
	mu    struct {
		sync.Mutex
		queue   []uint64
		known   map[uint64]struct{} // queued, or given out
		changed chan struct{}       // is closed when the queue is not what it was
		closed  bool
	}
}

var _ Bus = (*Local)(nil)

// NewLocal returns a bus for one process.
func NewLocal() *Local {
	b := &Local{lease: localLease{free: make(chan struct{}, 1)}}
	b.lease.free <- struct{}{}
	b.mu.known, b.mu.changed = map[uint64]struct{}{}, make(chan struct{})
	return b
}

// Offer queues segments that are neither queued nor given out.
func (b *Local) Offer(_ context.Context, seqs []uint64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, seq := range seqs {
		if _, known := b.mu.known[seq]; !known {
			b.mu.known[seq] = struct{}{}
			b.mu.queue = append(b.mu.queue, seq)
		}
	}
	b.wakeLocked()
	return nil
}

func (b *Local) wakeLocked() {
	close(b.mu.changed)
	b.mu.changed = make(chan struct{})
}

// Pull returns the lowest segment.
func (b *Local) Pull(ctx context.Context) (Item, error) {
	for {
		b.mu.Lock()
		if b.mu.closed {
			b.mu.Unlock()
			return nil, ErrBusClosed
		}
		if len(b.mu.queue) > 0 && ctx.Err() == nil {
			seq := slices.Min(b.mu.queue)
			b.mu.queue = slices.DeleteFunc(b.mu.queue, func(q uint64) bool { return q == seq })
			b.mu.Unlock()
			return localItem{b, seq}, nil
		}
		changed := b.mu.changed
		b.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Lease returns the lease, which nobody else wants.
func (b *Local) Lease() Lease { return &b.lease }

// Report tells nobody.
func (*Local) Report(context.Context, []byte) error { return nil }

// Reports returns none.
func (*Local) Reports(context.Context) (map[string][]byte, error) { return nil, nil }

// Close ends the pulls.
func (b *Local) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.closed = true
	b.wakeLocked()
	return nil
}

type localItem struct {
	b   *Local
	seq uint64
}

func (i localItem) Seq() uint64                   { return i.seq }
func (i localItem) Tries() int                    { return 1 }
func (i localItem) Working(context.Context) error { return nil }

func (i localItem) Done(context.Context) error {
	i.b.mu.Lock()
	defer i.b.mu.Unlock()
	delete(i.b.mu.known, i.seq)
	return nil
}

// Back forgets the segment, after a while; then it can be offered again.
func (i localItem) Back(ctx context.Context, after time.Duration) error {
	if after == 0 {
		return i.Done(ctx)
	}
	time.AfterFunc(after, func() { _ = i.Done(context.Background()) })
	return nil
}

// localLease counts the epochs of this process alone: the lister begins above those of the
// chain in any case.
type localLease struct {
	free chan struct{}
	mu   struct {
		sync.Mutex
		epoch  uint64
		cancel context.CancelFunc
	}
}

// Acquire waits for Release.
func (l *localLease) Acquire(ctx context.Context) (context.Context, uint64, error) {
	select {
	case <-l.free:
	case <-ctx.Done():
		return nil, 0, context.Cause(ctx)
	}
	held, cancel := context.WithCancel(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.epoch++
	l.mu.cancel = cancel
	return held, l.mu.epoch, nil
}

// Release lets it be acquired again.
func (l *localLease) Release(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.cancel != nil {
		l.mu.cancel()
		l.mu.cancel = nil
		l.free <- struct{}{}
	}
	return nil
}
