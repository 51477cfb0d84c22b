package cache

import "math"

// Mark is a step of the checkpoint: what is true once every page before it has
// been committed.
type Mark struct {
	// Listing says that the next three fields hold.
	Listing         bool
	Marker          string
	ListingComplete bool
	// Skipped counts the names before Marker that were left out, but for those
	// that a mark before it has counted. So a page that is listed again after a
	// crash is not counted again.
	Skipped uint64
	// Names counts the names of the listing from the mark before up to Marker, and
	// Place is Refresh.Place there. For a refresh.
	Names uint64
	Place Inode

	Listed  Inode // lowest inode of the pages that come after
	Settled Inode // see Progress.Settled; 0: not known
}

// Advance moves the checkpoint to m. The caller has seen every page below it
// committed.
func (s *Store) Advance(m Mark) error {
	s.commit.Lock()
	defer s.commit.Unlock()
	return s.advanceLocked(m)
}

func (s *Store) advanceLocked(m Mark) error {
	next := s.commit.progress
	if m.Listing {
		next.Marker, next.ListingComplete = m.Marker, m.ListingComplete
		next.Skipped += m.Skipped
		if m.ListingComplete && next.ListedAt == 0 {
			next.ListedAt = s.opts.Now().Unix()
		}
	}
	switch {
	case m.ListingComplete:
		next.Listed = max(next.Listed, m.Listed)
	case next.Listed > 0:
		// What may be here and was not listed again yet has lower numbers than these.
		next.Listed = max(next.Listed, m.Listed-min(m.Listed, Inode(s.commit.careful)))
	}
	s.commit.settled = max(s.commit.settled, m.Settled)
	next.Settled = max(next.Settled, s.settledLocked())
	if next == s.commit.progress {
		return nil
	}
	batch := s.db.NewBatch()
	defer batch.Close()
	return s.applyLocked(batch, next)
}

// Rewind moves the checkpoint of a listing that is not complete back to its
// beginning, for an origin that does not take the marker any more. Every name that
// is listed from then on is compared with the store, in other sessions too, until
// the listing is complete.
func (s *Store) Rewind() error {
	s.commit.Lock()
	defer s.commit.Unlock()
	next := s.commit.progress
	next.Marker, next.Listed, next.Skipped = "", 0, 0
	batch := s.db.NewBatch()
	defer batch.Close()
	if err := s.applyLocked(batch, next); err != nil {
		return err
	}
	s.commit.careful = s.maybeHereLocked()
	return nil
}

// maybeHereLocked is how many names at most are still to be listed that may be here
// already.
func (s *Store) maybeHereLocked() uint64 {
	if s.commit.progress.Listed == 0 {
		// What is listed again may have new names in between, so the numbers
		// given out say nothing.
		return math.MaxUint64
	}
	// Pages committed beyond the checkpoint, before a crash or by a listing that
	// was stopped, are listed again; their names are among as many as there are
	// numbers from Listed on.
	return uint64(s.commit.progress.Next - s.commit.progress.Listed)
}

// settledLocked is up to where everything is settled.
func (s *Store) settledLocked() Inode {
	settled := s.commit.settled
	for ino := range s.commit.held {
		settled = min(settled, ino)
	}
	return settled
}

// hold gives out a number that the checkpoint does not go beyond until it is
// released, or committed with what was decided.
func (s *Store) hold() (Inode, error) {
	s.commit.Lock()
	defer s.commit.Unlock()
	ino, err := s.reserveLocked(1)
	if err == nil {
		s.commit.held[ino] = struct{}{}
		s.held.Store(int32(len(s.commit.held)))
	}
	return ino, err
}

func (s *Store) unholdLocked(ino Inode) {
	delete(s.commit.held, ino)
	s.held.Store(int32(len(s.commit.held)))
}

// release lets go of a number from hold, and the checkpoint move on.
func (s *Store) release(ino Inode) error {
	s.commit.Lock()
	defer s.commit.Unlock()
	s.unholdLocked(ino)
	if s.commit.closed {
		return nil
	}
	return s.advanceLocked(Mark{})
}
