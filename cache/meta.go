package cache

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// loadMeta checks that the database belongs to the FORMAT file and reads its
// progress. Into the empty one of a store that is being made it writes both.
func (s *Store) loadMeta() error {
	id, err := s.getString(metaID)
	switch {
	case errors.Is(err, ErrNotFound) && s.format.Making:
		err = s.initMeta()
	case errors.Is(err, ErrNotFound) && s.opts.repair:
		if err = s.db.Set(metaID, []byte(s.format.ID), pebble.NoSync); err == nil {
			err = s.loadProgress()
		}
	case errors.Is(err, ErrNotFound):
		err = fmt.Errorf("%w: the database has no identity", ErrCorrupt)
	case err == nil && id != s.format.ID:
		err = saying(ErrFormat, "the %s file and the database are of two stores", formatFile)
	case err == nil:
		err = s.loadProgress()
	}
	if err == nil && s.format.Making && s.readOnly == nil {
		s.format.Making = false
		err = s.format.write(s.opts.FS, s.opts.Dir)
	}
	if err != nil {
		return fmt.Errorf("open store %s: %w", s.opts.Dir, err)
	}
	return nil
}

func (s *Store) loadProgress() error {
	value, err := s.getString(metaProgress)
	if err != nil && !s.opts.repair {
		return fmt.Errorf("%w: there is no checkpoint: %w", ErrCorrupt, err)
	}
	p, err := decodeProgress([]byte(value))
	if err != nil && s.opts.repair {
		p, err = Progress{Listed: FirstInode, Next: FirstInode, Settled: FirstInode}, nil
	}
	if err != nil {
		return err
	}
	s.commit.progress = p
	s.progress.Store(&p)
	return s.loadNumbers(p.Next)
}

func (s *Store) initMeta() error {
	if err := s.checkEmpty(); err != nil {
		return err
	}
	batch := s.db.NewBatch()
	defer batch.Close()
	if err := batch.Set(metaID, []byte(s.format.ID), nil); err != nil {
		return err
	}
	s.numbers.next.Store(uint64(FirstInode))
	if err := s.applyLocked(batch, Progress{Listed: FirstInode, Next: FirstInode, Settled: FirstInode}); err != nil {
		return err
	}
	return s.Flush(context.Background())
}

// checkEmpty refuses a database without our format that holds something.
func (s *Store) checkEmpty() error {
	it, err := s.db.NewIter(nil)
	if err != nil {
		return err
	}
	holds := it.First()
	if err := it.Close(); err != nil {
		return err
	}
	if holds {
		return saying(ErrFormat, "%s holds a database that is not a store of this program", s.opts.Dir)
	}
	return nil
}

func (s *Store) getString(key []byte) (string, error) {
	value, closer, err := s.db.Get(key)
	if err != nil {
		return "", storeError(fmt.Sprintf("read key %q", key), err)
	}
	defer closer.Close()
	return string(value), nil
}

// storeError translates the database's errors into ours.
func storeError(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pebble.ErrNotFound):
		return ErrNotFound
	case pebble.IsCorruptionError(err):
		return fmt.Errorf("%w: %s: %w", ErrCorrupt, what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
