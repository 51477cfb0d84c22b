package between

import (
	"math"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"
)

// delayOneIn is how few fragments have a delay. Were it all, a thousand small
// responses would take seconds.
const delayOneIn = 8

// flow is one direction of a connection.
type flow struct {
	n      *Network
	closed <-chan struct{}

	// Of the one Read or Write that holds turn:
	turn    sync.Mutex
	rng     *rand.Rand
	left    int       // bytes that the fragment at hand may still have
	release time.Time // when it begins
	stall   int       // fragments until the next stall; 0 if there is none
	cut     int       // bytes until the connection is cut; -1 if it is not

	mu struct {
		sync.Mutex
		deadline time.Time
		changed  chan struct{} // closed when deadline changes
	}
}

func (f *flow) init(n *Network, closed <-chan struct{}, rng *rand.Rand) {
	f.n, f.closed, f.rng, f.cut = n, closed, rng, -1
	f.stall = gap(rng, n.o.StallEvery)
	f.mu.changed = make(chan struct{})
}

// gap draws a number of that mean; 0 for 0.
func gap(rng *rand.Rand, mean int) int {
	if mean <= 0 {
		return 0
	}
	return 1 + rng.IntN(2*mean-1)
}

// atLeastHalf draws a time of at least half of most.
func atLeastHalf(rng *rand.Rand, most time.Duration) time.Duration {
	return most - time.Duration(rng.Int64N(int64(most/2)+1))
}

// next waits for the fragment at hand, after a late response for a while more,
// and returns how many of have bytes it may have. 0 is where the connection is
// cut.
func (f *flow) next(have int, late time.Duration) (int, error) {
	if late > 0 {
		f.release = later(f.release, time.Now()).Add(late)
	}
	if f.left == 0 {
		f.begin()
	}
	if err := f.wait(); err != nil {
		return 0, err
	}
	have = min(have, f.left)
	if f.cut >= 0 {
		have = min(have, f.cut)
	}
	return have, nil
}

// begin begins a fragment.
func (f *flow) begin() {
	o := &f.n.o
	f.n.counts.fragments.Add(1)
	f.left = math.MaxInt
	if o.MaxFragment > 0 {
		f.left = 1 + f.rng.IntN(o.MaxFragment)
	}
	var delay time.Duration
	if o.MaxDelay > 0 && f.rng.IntN(delayOneIn) == 0 {
		f.n.counts.delays.Add(1)
		delay = time.Duration(math.Pow(f.rng.Float64(), 3) * float64(o.MaxDelay))
	}
	if f.stall > 0 {
		if f.stall--; f.stall == 0 {
			f.n.counts.stalls.Add(1)
			delay += atLeastHalf(f.rng, o.MaxStall)
			f.stall = gap(f.rng, o.StallEvery)
		}
	}
	if delay > 0 {
		f.release = later(f.release, time.Now()).Add(delay)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// went takes n bytes from the fragment at hand.
func (f *flow) went(n int) {
	f.left -= n
	if f.cut >= 0 {
		f.cut -= n
	}
	if f.n.o.MaxFragment == 0 {
		f.left = 0
	}
}

// wait waits for the release, the deadline, or the connection's end.
func (f *flow) wait() error {
	for {
		f.mu.Lock()
		deadline, changed := f.mu.deadline, f.mu.changed
		f.mu.Unlock()
		now := time.Now()
		if !deadline.IsZero() && !deadline.After(now) {
			return os.ErrDeadlineExceeded
		}
		rest := f.release.Sub(now)
		if f.release.IsZero() || rest <= 0 {
			return nil
		}
		if !deadline.IsZero() {
			rest = min(rest, deadline.Sub(now))
		}
		timer := time.NewTimer(rest)
		select {
		case <-timer.C:
		case <-changed:
		case <-f.closed:
			timer.Stop()
			return net.ErrClosed
		}
		timer.Stop()
	}
}

// setDeadline has wait end at t.
func (f *flow) setDeadline(t time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.deadline = t
	close(f.mu.changed)
	f.mu.changed = make(chan struct{})
}
