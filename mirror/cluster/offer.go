package cluster

import (
	"context"
	"slices"
	"time"
)

// offer offers what is left and nobody is known to be at.
func (k *keeper) offer(ctx context.Context) error {
	at := k.p.underWay()
	now := time.Now()
	var seqs, again, overtake []uint64
	every, idle := k.p.o.soon(offerEvery), k.p.idle()
	if idle > 0 { // the bus may have lost some
		every = k.p.o.soon(sealEvery)
	}
	if idle == 0 {
		clear(k.still)
	}
	left := 0
	for seq := k.low; seq < k.known && left < offerAhead; seq++ {
		if k.index.Sealed(seq) != nil {
			delete(k.offered, seq)
			delete(k.seen, seq)
			delete(k.still, seq)
			continue
		}
		if !at[seq].waiting {
			left++
		}
		workers := at[seq].workers
		if workers == 0 {
			delete(k.seen, seq)
			still, ok := k.still[seq]
			if !ok && idle > 0 {
				k.still[seq], still = now, now
			}
			if k.p.takeGone(seq, now) || idle > len(again) && now.Sub(still) >= k.p.o.soon(stillFor) {
				again = append(again, seq)
				delete(k.still, seq)
			}
			if last, ok := k.offered[seq]; !ok || now.Sub(last) >= every {
				seqs = append(seqs, seq)
				k.offered[seq] = now
			}
			continue
		}
		delete(k.still, seq)
		since, ok := k.seen[seq]
		if !ok {
			k.seen[seq], since = now, now
		}
		after := overtakeAfter
		if at[seq].waiting {
			after = overtakeWaiting
		}
		if now.Sub(since) >= k.p.o.soon(after)<<min(workers-1, mostDoubled) {
			overtake = append(overtake, seq)
		}
	}
	k.forget()
	k.offerAgain(ctx, again)
	k.p.mu.Lock()
	if l := k.p.mu.leading; l != nil {
		if len(seqs) > 0 { // there is something else to do
			overtake = nil
		}
		slices.SortFunc(overtake, func(a, b uint64) int { return k.seen[a].Compare(k.seen[b]) })
		l.Overtake = overtake[:min(len(overtake), idle, maxReportItems)]
	}
	k.p.mu.Unlock()
	if len(seqs) == 0 {
		return nil
	}
	return k.p.o.Bus.Offer(ctx, seqs)
}

// forget drops what is known of segments that are sealed.
func (k *keeper) forget() {
	for _, m := range []map[uint64]time.Time{k.offered, k.seen, k.still} {
		for seq := range m {
			if seq < k.low {
				delete(m, seq)
			}
		}
	}
}

// tell tells what this process knows of all.
func (k *keeper) tell() {
	k.total.Segments = max(k.known, k.total.Sealed)
	l := &Leading{Epoch: k.epoch, Totals: k.total}
	k.mu.Lock()
	k.mu.low = k.low
	if k.mu.last != nil {
		l.Listed, l.ListingComplete = k.mu.last.Files, k.mu.last.Complete
		l.Segments = max(l.Segments, k.mu.last.Seq+1)
	}
	k.mu.Unlock()
	k.p.setLeading(l)
}

// underWay is what is done at a segment.
type underWay struct {
	workers int
	waiting bool // one of them for files that did not come
}

// underWay says what the processes report to be at.
func (p *Process) underWay() map[uint64]underWay {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[uint64]underWay{}
	add := func(seq uint64, waiting bool) {
		at := all[seq]
		all[seq] = underWay{at.workers + 1, at.waiting || waiting}
	}
	for seq, at := range p.mu.working {
		add(seq, at.waiting)
	}
	for i := range p.mu.others {
		for _, w := range p.mu.others[i].Working {
			add(w.Seq, w.Waiting)
		}
	}
	return all
}

// idle is how many slots have nothing to do, here and where the others report.
func (p *Process) idle() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.mu.idle
	for i := range p.mu.others {
		n += p.mu.others[i].Idle
	}
	return n
}

// hungry reports whether somebody has nothing to do.
func (p *Process) hungry() bool { return p.idle() > 0 }
