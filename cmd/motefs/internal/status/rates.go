package status

import (
	"slices"
	"sync"
	"time"
)

const (
	// sampleEvery is how often the counts are noted.
	sampleEvery = time.Second
	// rateOver is the time over which rates are taken, and remainingOver that over which the
	// time that is left is: it shall not jump.
	rateOver, remainingOver = 3 * time.Second, 30 * time.Second
	// maxSamples bounds the samples, each of 56 bytes.
	maxSamples = 64
)

// sample is what was counted at a time.
type sample struct {
	at                    time.Time
	names, fetched, bytes uint64
	looked                uint64 // at what is here, by a refresh
}

// rates turns counts into rates. Its methods may be called from any goroutine.
type rates struct {
	mu struct {
		sync.Mutex
		samples []sample // the latest last
	}
}

// add notes a sample, and forgets those that are too old.
func (r *rates) add(s sample) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.mu.samples
	for len(all) > 1 && (s.at.Sub(all[1].at) > remainingOver || len(all) >= maxSamples) {
		all = all[1:]
	}
	r.mu.samples = append(slices.Clip(all), s)
}

// restart forgets all: what comes is of another kind.
func (r *rates) restart() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.samples = nil
}

// over returns how much was counted from a sample that is about so old up to now, and the
// seconds between; ok is false where there is none.
func (r *rates) over(now sample, back time.Duration) (delta sample, seconds float64, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.mu.samples) - 1; i >= 0; i-- {
		delta, ok = r.mu.samples[i], true
		if now.at.Sub(delta.at) >= back {
			break
		}
	}
	seconds = now.at.Sub(delta.at).Seconds()
	if !ok || seconds < sampleEvery.Seconds()/4 {
		return sample{}, 0, false
	}
	sub := func(a, b uint64) uint64 { return a - min(a, b) } // a refresh takes files away
	return sample{now.at, sub(now.names, delta.names), sub(now.fetched, delta.fetched), sub(now.bytes, delta.bytes), sub(now.looked, delta.looked)}, seconds, true
}

func perSecond(n uint64, seconds float64) *uint64 { return new(uint64(float64(n) / seconds)) }
