package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/motefs/motefs/mirror/segments"
	"golang.org/x/sync/errgroup"
)

// keeper does what there is to do beside listing, for as long as this process leads.
type keeper struct {
	p     *Process
	epoch uint64

	index segments.Index // what is sealed
	known uint64         // name segments
	low   uint64         // all before are sealed
	total Totals
	// prevs are the links of sealed segments to one before them that is not.
	prevs map[uint64]*segments.Names
	// offered is when a segment that is left was offered, and seen since when it is worked at.
	offered, seen map[uint64]time.Time
	// still is since when nobody is at a segment, though somebody has nothing to do.
	still map[uint64]time.Time
	mu    struct {
		sync.Mutex
		low  uint64
		last *segments.Names // the newest that the lister wrote or found
	}
}

func newKeeper(p *Process, epoch uint64) *keeper {
	return &keeper{p: p, epoch: epoch, prevs: map[uint64]*segments.Names{}, offered: map[uint64]time.Time{}, seen: map[uint64]time.Time{}, still: map[uint64]time.Time{}}
}

// listed notes how far the listing is.
func (k *keeper) listed(head *segments.Names) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.last = head
}

// inChain is how many name segments there are, as far as the lister knows.
func (k *keeper) inChain() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.mu.last == nil {
		return 0
	}
	return k.mu.last.Seq + 1
}

// offerNew offers a segment that was written just now.
func (k *keeper) offerNew(ctx context.Context, seq uint64) error {
	k.mu.Lock()
	near := seq < k.mu.low+offerAhead
	k.mu.Unlock()
	if !near {
		return nil // its turn comes
	}
	return k.p.o.Bus.Offer(ctx, []uint64{seq})
}

// losing is a bus that knows when it may have lost items.
type losing interface{ Lost() <-chan struct{} }

// keep looks what is new, offers what is left and seals what is committed, until the mirror is
// complete.
func (k *keeper) keep(ctx context.Context) error {
	var lost <-chan struct{}
	if l, ok := k.p.o.Bus.(losing); ok {
		lost = l.Lost()
	}
	if _, err := k.p.reader.Follow(ctx, &k.index); err != nil {
		return err
	}
	if err := k.checkIndex(); err != nil {
		return err
	}
	k.total = totals(&k.index, 0)
	tick := time.NewTicker(k.p.o.soon(sealEvery))
	defer tick.Stop()
	for {
		complete, err := k.look(ctx)
		if err != nil {
			return err
		}
		if complete {
			return k.end(ctx)
		}
		if err := k.offer(ctx); err != nil {
			return err
		}
		if err := k.wait(ctx, tick.C, lost); err != nil {
			return err
		}
	}
}

// wait waits until there is something to look for.
func (k *keeper) wait(ctx context.Context, tick <-chan time.Time, lost <-chan struct{}) error {
	for {
		select {
		case <-tick:
			return nil
		case <-lost:
			clear(k.offered)
			return nil
		case <-k.p.news:
			if k.nearEnd() {
				return nil
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// nearEnd reports whether so little is left that a commit may be the last.
func (k *keeper) nearEnd() bool {
	k.p.mu.Lock()
	done := uint64(len(k.index.Segments)) + k.p.mu.unsealed
	k.p.mu.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.mu.last != nil && k.mu.last.Complete && k.mu.last.Seq+1 <= done+nearEnd
}

// end says that the mirror is complete.
func (k *keeper) end(ctx context.Context) error {
	if err := k.full(ctx); err != nil {
		return err
	}
	k.p.mu.Lock()
	defer k.p.mu.Unlock()
	k.p.mu.complete, k.p.mu.ended = true, true
	return errComplete
}

// look finds what is new in the store and seals it.
func (k *keeper) look(ctx context.Context) (complete bool, err error) {
	k.p.mu.Lock()
	k.p.mu.unsealed = 0
	k.p.mu.Unlock()
	if k.known, err = k.p.follow(ctx, max(k.known, k.low)); err != nil {
		return false, err
	}
	for k.index.Sealed(k.low) != nil {
		k.low++
	}
	var committed []uint64
	err = k.p.reader.Seqs(ctx, segments.CommitsPrefix, k.low, func(seq uint64) bool {
		if seq < k.known && k.index.Sealed(seq) == nil {
			committed = append(committed, seq)
		}
		return seq < k.known
	})
	if err != nil {
		return false, err
	}
	news, err := k.read(ctx, committed)
	if err != nil {
		return false, err
	}
	if complete, err = k.seal(ctx, news); err != nil {
		return false, err
	}
	k.tell()
	return complete, nil
}

// read reads the heads and commits of segments that are to be sealed.
func (k *keeper) read(ctx context.Context, seqs []uint64) ([]segments.Sealed, error) {
	news := make([]segments.Sealed, len(seqs))
	heads := make([]segments.Names, len(seqs))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(sealAtOnce)
	for i, seq := range seqs {
		group.Go(func() (err error) {
			var size int64
			if heads[i], size, err = k.p.reader.Names(ctx, seq); err != nil {
				return err
			}
			commit, err := k.p.reader.Commit(ctx, seq)
			if err != nil {
				return err
			}
			news[i], err = segments.Seal(&heads[i], size, &commit)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i := range heads {
		k.prevs[heads[i].Seq] = &heads[i]
	}
	return news, k.checkLinks(news)
}

// checkIndex checks that the numbers of each sealed segment begin where those of the one before it
// end. Another may have sealed them, who did not look.
func (k *keeper) checkIndex() error {
	for i := range k.index.Segments {
		if err := k.adjoins(&k.index.Segments[i]); err != nil {
			return err
		}
	}
	return nil
}

// adjoins checks that the numbers of a segment end where those of the next one begin, if that is
// sealed.
func (k *keeper) adjoins(s *segments.Sealed) error {
	if next := k.index.Sealed(s.Seq + 1); next != nil && next.Part.First != s.Part.End {
		return fmt.Errorf("%s: %w: its numbers begin at %d, and those before it end at %d", segments.NamesName(next.Seq), segments.ErrBad, next.Part.First, s.Part.End)
	}
	return nil
}

// checkLinks checks the links of segments that are to be sealed to those before and after them, as
// far as those are known.
func (k *keeper) checkLinks(news []segments.Sealed) error {
	at := map[uint64]*segments.Sealed{}
	for i := range news {
		at[news[i].Seq] = &news[i]
		if err := k.adjoins(&news[i]); err != nil {
			return err
		}
	}
	for seq, head := range k.prevs {
		if seq == 0 {
			delete(k.prevs, seq)
			continue
		}
		before := at[seq-1]
		if before == nil {
			before = k.index.Sealed(seq - 1)
		}
		if before == nil {
			continue
		}
		if err := linked(before.Names, before.Part.End, head); err != nil {
			return err
		}
		delete(k.prevs, seq)
	}
	return nil
}

// seal writes a manifest of what is new, and says whether the mirror is complete with it.
func (k *keeper) seal(ctx context.Context, news []segments.Sealed) (complete bool, err error) {
	if k.index.Complete {
		return true, nil
	}
	if k.known > 0 && k.all(news) {
		last, err := k.p.last(ctx, k.known)
		if err != nil {
			return false, err
		}
		complete = last.Complete
	}
	if len(news) == 0 && !complete {
		return false, nil
	}
	m := segments.Manifest{Number: k.index.Next, Attempt: segments.NewAttempt(), Complete: complete, Segments: news}
	winner, err := k.p.reader.WriteManifest(ctx, m)
	if errors.Is(err, segments.ErrLost) {
		// Another keeper has not heard yet that it has none to keep. What it sealed is as true.
		if err := k.index.Add(&winner); err != nil {
			return false, err
		}
		k.total = totals(&k.index, 0)
		return k.index.Complete, k.checkIndex()
	}
	if err != nil {
		return false, err
	}
	if err := k.index.Add(&m); err != nil {
		return false, fmt.Errorf("a manifest of this process: %w", err) // a bug, if ever
	}
	for i := range news {
		k.total.add(&news[i])
	}
	if m.Number%fullEvery == fullEvery-1 && !complete {
		return false, k.full(ctx)
	}
	return complete, nil
}

// all reports whether each segment is sealed with these.
func (k *keeper) all(news []segments.Sealed) bool {
	for seq := k.low; seq < k.known; seq++ {
		found := func(s segments.Sealed) bool { return s.Seq == seq }
		if k.index.Sealed(seq) == nil && !slices.ContainsFunc(news, found) {
			return false
		}
	}
	return true
}

// full writes the manifest of all that is sealed.
func (k *keeper) full(ctx context.Context) error {
	m := segments.Manifest{Number: k.index.Next - 1, Attempt: segments.NewAttempt(), Full: true, Complete: k.index.Complete, Segments: k.index.Segments}
	_, err := k.p.reader.WriteManifest(ctx, m)
	if errors.Is(err, segments.ErrLost) { // it says the same
		return nil
	}
	return err
}
