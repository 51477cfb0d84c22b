package mirror

import (
	"sync"

	"github.com/motefs/motefs/cache"
)

// batch is a page of files on its way through a connection.
type batch struct {
	page *cache.Page // nil: nothing to fetch, only a mark
	// mark is what the checkpoint becomes once this batch and all before it
	// are committed.
	mark cache.Mark
	// release, where it is set, gives back what the batch holds of the nameBudget.
	release func()
	// step is the batch's place in the tracker.
	step *step
}

// tracker knows which batches are committed, and moves the checkpoint over those
// that have no gap before them. It holds one step for each batch under way, whose
// number the queue bounds, and one for each row of batches that are done between
// them, however many those are: a single long file can keep the checkpoint from
// moving for hours.
type tracker struct {
	to       checkpoint
	settling bool // files are being fetched, not only listed

	mu struct {
		sync.Mutex
		// first is the row of all batches that the checkpoint has moved over.
		first, last *step
	}
}

// checkpoint is what a tracker moves: that of a store, or of its refresh.
type checkpoint interface{ Advance(m cache.Mark) error }

// step is a batch under way, or a row of batches that are done.
type step struct {
	done bool
	// mark is what the checkpoint becomes after it. Of a row, settled says that
	// no batch left files open; mark.Settled is what is settled before the first
	// that did, as the checkpoint must not move beyond that.
	mark       cache.Mark
	settled    bool
	skipped    uint64 // names that were left out after mark.Marker
	prev, next *step
}

func newTracker(to checkpoint, settling bool) *tracker {
	t := &tracker{to: to, settling: settling}
	t.mu.first = &step{done: true, settled: true}
	t.mu.last = t.mu.first
	return t
}

// add says that b comes after all that were added before.
func (t *tracker) add(b *batch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b.step = &step{mark: b.mark, prev: t.mu.last}
	t.mu.last.next = b.step
	t.mu.last = b.step
}

// finish records that b is committed, and whether that left no file of it open.
// The lock is held while the checkpoint moves, so that it never moves backwards;
// that is a write to memory.
func (t *tracker) finish(b *batch, settled bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := b.step
	b.step = nil
	s.done, s.settled = true, settled
	if !settled || !t.settling {
		s.mark.Settled = 0
	}
	if b.page != nil {
		s.skip(b.page.Skipped())
	}
	if s.prev.done {
		s = s.prev
		t.joinNextLocked(s)
	}
	if s.next != nil && s.next.done {
		t.joinNextLocked(s)
	}
	if s != t.mu.first {
		return nil
	}
	mark := s.mark
	s.mark = cache.Mark{}
	return t.to.Advance(mark)
}

// skip counts names of the step's last batch that were left out.
func (s *step) skip(n uint64) {
	if s.mark.Listing {
		s.mark.Skipped += n
	} else {
		s.skipped += n
	}
}

// joinNextLocked makes one row of s and the step after it, both done.
func (t *tracker) joinNextLocked(s *step) {
	n := s.next
	if n.mark.Listing {
		s.mark.Listing, s.mark.Marker, s.mark.ListingComplete = true, n.mark.Marker, n.mark.ListingComplete
		s.mark.Place = n.mark.Place
		s.mark.Skipped += s.skipped + n.mark.Skipped
		s.skipped = 0
	}
	s.skipped += n.skipped
	s.mark.Names += n.mark.Names
	s.mark.Listed = max(s.mark.Listed, n.mark.Listed)
	if s.settled {
		s.mark.Settled = max(s.mark.Settled, n.mark.Settled)
		s.settled = n.settled
	}
	s.next = n.next
	if n.next == nil {
		t.mu.last = s
	} else {
		n.next.prev = s
	}
}
