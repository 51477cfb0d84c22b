package cache

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// reserveAhead is how many numbers the watermark is beyond those given out. A crash
// leaves a gap of as many at most.
const reserveAhead = 1 << 20

// numbers gives out inode numbers, each once. Readers see a number before its entry
// is on the disk, so a crash may lose the entry and must not give the number to
// another. A watermark, written in batches like everything else, prevents that: no
// number from it on is given out before a higher one is on the disk, and numbering
// goes on from it after a crash. A store that is closed lowers it to next: what was
// never reserved, nobody saw.
type numbers struct {
	// next is the lowest number that was not reserved.
	next atomic.Uint64
	// written is the watermark in the store, durable the one that a crash leaves at
	// least. Who writes written holds the commit lock.
	written, durable atomic.Uint64
}

// reserve gives out n numbers in a row. It waits for the disk where the watermark
// has not kept ahead: for the first numbers after a store was opened, and where
// reserveAhead of them are given out between two flushes.
func (s *Store) reserve(n int) (Inode, error) {
	end := s.numbers.next.Add(uint64(n))
	if end > s.numbers.durable.Load() {
		s.commit.Lock()
		defer s.commit.Unlock()
	}
	return Inode(end - uint64(n)), s.coverLocked(end)
}

// reserveLocked is reserve under the commit lock.
func (s *Store) reserveLocked(n int) (Inode, error) {
	end := s.numbers.next.Add(uint64(n))
	return Inode(end - uint64(n)), s.coverLocked(end)
}

// coverLocked returns once the numbers below end are covered by a durable watermark.
// It waits for room on the disk, as whatever else commits does then.
func (s *Store) coverLocked(end uint64) error {
	if end <= s.numbers.durable.Load() {
		return nil
	}
	batch := s.db.NewBatch()
	defer batch.Close()
	if err := s.applyLocked(batch, s.commit.progress); err != nil {
		return fmt.Errorf("reserve inode numbers: %w", err)
	}
	err := s.Flush(context.Background())
	for NoRoom(err) && s.BrokenErr() == nil { // it has waited
		err = s.Flush(context.Background())
	}
	if err != nil {
		return fmt.Errorf("reserve inode numbers: %w", err)
	}
	return nil
}

// watermark is the one that the next batch is to write; raise says that it has to.
// Half of reserveAhead is left for what is given out until that batch is flushed.
func (n *numbers) watermark() (mark uint64, raise bool) {
	next := n.next.Load()
	return next + reserveAhead, next+reserveAhead/2 > n.written.Load()
}

// flushed is told of a watermark that has come to the disk.
func (n *numbers) flushed(mark uint64) {
	for before := n.durable.Load(); before < mark && !n.durable.CompareAndSwap(before, mark); before = n.durable.Load() {
	}
}

// lowerLocked gives back the numbers that were not reserved. The store is not
// written after it.
func (s *Store) lowerLocked() error {
	next := s.numbers.next.Load()
	if next == s.numbers.written.Load() || s.BrokenErr() != nil || s.readOnly != nil {
		return nil
	}
	if err := s.db.Set(metaNumbers, binary.AppendUvarint(nil, next), pebble.NoSync); err != nil {
		return fmt.Errorf("give back inode numbers: %w", err)
	}
	s.commits.Add(1)
	return nil
}

// storedMark is the watermark in the store, 0 if there is none that can be read.
func (s *Store) storedMark() (uint64, error) {
	value, err := s.getString(metaNumbers)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return 0, err
	}
	d := decoder{rest: []byte(value)}
	return d.uvarint(), nil
}

func (s *Store) loadNumbers(next Inode) error {
	mark, err := s.storedMark()
	if err != nil {
		return err
	}
	if s.opts.repair && mark < uint64(next) {
		s.numbers.next.Store(uint64(next) + lostNumbers) // Close writes it
		return nil
	}
	if mark < uint64(next) {
		return fmt.Errorf("%w: it does not say which inode numbers are given out", ErrCorrupt)
	}
	s.numbers.next.Store(mark)
	s.numbers.written.Store(mark)
	s.numbers.durable.Store(mark)
	return nil
}

// liftNumbers has numbers go on from least, and from the watermark in the store, which
// a repair may have found in a damaged table.
func (s *Store) liftNumbers(least Inode) error {
	mark, err := s.storedMark()
	if err != nil {
		return err
	}
	s.numbers.next.Store(max(s.numbers.next.Load(), mark, uint64(least)))
	return nil
}
