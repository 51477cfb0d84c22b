package cluster

import (
	"context"
	"time"
)

const (
	// goneAfter is for how long nobody reports to be at a segment, whose worker is not heard of any
	// more, before it is offered again.
	goneAfter = 3 * time.Second
	// goneKept is how long that is remembered.
	goneKept = 2 * time.Minute
	// stillFor is for how long somebody has nothing to do and nobody is at a segment that is left, before
	// its item is thought to be that of a process that has gone: who has nothing to do would have got it
	// otherwise. Near the end the leader looks many times before it can have heard who is at one.
	stillFor = 2 * sealEvery
	// againTimeout is how long offering again may take; the next look does it again.
	againTimeout = 2 * time.Second
)

// againBus is a bus that keeps an item for its worker for a while, and can be told that there is
// none any more.
type againBus interface {
	// OfferAgain offers segments to whoever pulls, also those that were given out.
	OfferAgain(ctx context.Context, seqs []uint64) error
}

// noteGoneLocked notes what those were at who do not report any more. All processes do so, for one
// of them leads next.
func (p *Process) noteGoneLocked(others []Report, now time.Time) {
	here := make(map[string]bool, len(others))
	for i := range others {
		here[others[i].Process] = true
	}
	for i := range p.mu.others {
		if here[p.mu.others[i].Process] {
			continue
		}
		for _, w := range p.mu.others[i].Working {
			p.mu.gone[w.Seq] = now
		}
	}
	for i := range others {
		for _, w := range others[i].Working {
			delete(p.mu.gone, w.Seq)
		}
	}
	for seq, since := range p.mu.gone {
		if _, at := p.mu.working[seq]; at || now.Sub(since) >= goneKept {
			delete(p.mu.gone, seq)
		}
	}
}

// takeGone reports whether the worker of a segment has gone some time ago; it says so once.
func (p *Process) takeGone(seq uint64, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	since, gone := p.mu.gone[seq]
	if !gone || now.Sub(since) < p.o.soon(goneAfter) {
		return false
	}
	delete(p.mu.gone, seq)
	return true
}

// offerAgain offers segments whose workers have gone: without it they wait until the bus
// misses those by itself, for ItemTimeout.
func (k *keeper) offerAgain(ctx context.Context, seqs []uint64) {
	bus, ok := k.p.o.Bus.(againBus)
	if !ok || len(seqs) == 0 {
		return
	}
	k.p.o.Log.Debug().Uints64("segments", seqs).Msg("who was at these segments has gone; they are offered again")
	ctx, cancel := context.WithTimeout(ctx, againTimeout)
	defer cancel()
	if err := bus.OfferAgain(ctx, seqs); err != nil {
		k.p.o.Log.Debug().Err(err).Msg("the bus has not heard that segments are offered again")
	}
}
