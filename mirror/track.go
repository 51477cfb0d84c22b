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

	done, settled bool
	next          *batch
}

// tracker knows which batches are committed, and moves the checkpoint over those
// that have no gap before them. It holds only batches under way, whose number
// the queue bounds.
type tracker struct {
	store    *cache.Store
	settling bool // files are being fetched, not only listed

	mu struct {
		sync.Mutex
		head, tail *batch
		// settling ends at the first batch that left files open: the point up
		// to which all is settled must not move beyond it.
		stuck bool
	}
}

func (t *tracker) add(b *batch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.tail == nil {
		t.mu.head = b
	} else {
		t.mu.tail.next = b
	}
	t.mu.tail = b
}

// finish records that b is committed. The lock is held while the checkpoint
// moves, so that it never moves backwards; that is a write to memory.
func (t *tracker) finish(b *batch, settled bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	b.done, b.settled = true, settled
	var mark cache.Mark
	moved := false
	for t.mu.head != nil && t.mu.head.done {
		b := t.mu.head
		t.mu.head = b.next
		if t.mu.head == nil {
			t.mu.tail = nil
		}
		t.mu.stuck = t.mu.stuck || !b.settled
		t.join(&mark, b.mark)
		moved = true
	}
	if !moved {
		return nil
	}
	return t.store.Advance(mark)
}

func (t *tracker) join(mark *cache.Mark, next cache.Mark) {
	if next.Listing {
		mark.Listing, mark.Marker, mark.ListingComplete = true, next.Marker, next.ListingComplete
	}
	mark.Listed = max(mark.Listed, next.Listed)
	if t.settling && !t.mu.stuck {
		mark.Settled = max(mark.Settled, next.Settled)
	}
}
