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
	if errors.Is(err, ErrNotFound) && s.format.Making {
		err = s.initMeta()
		id = s.format.ID
	}
	if errors.Is(err, ErrNotFound) && s.opts.repair {
		err = s.db.Set(metaID, []byte(s.format.ID), pebble.NoSync)
		id = s.format.ID
	}
	if errors.Is(err, ErrNotFound) {
		err = fmt.Errorf("%w: the database has no identity", ErrCorrupt)
	}
	if err != nil {
		return fmt.Errorf("open store %s: %w", s.opts.Dir, err)
	}
	if id != s.format.ID {
		return fmt.Errorf("%w: in %s the %s file and the database are of two stores", ErrFormat, s.opts.Dir, formatFile)
	}
	value, err := s.getString(metaProgress)
	if err != nil && !s.opts.repair {
		return fmt.Errorf("%w: %s has no checkpoint: %w", ErrCorrupt, s.opts.Dir, err)
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
	s.nextInode.Store(uint64(p.Next))
	if !s.format.Making || s.readOnly != nil {
		return nil
	}
	s.format.Making = false
	return s.format.write(s.opts.FS, s.opts.Dir)
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
		return fmt.Errorf("%w: %s holds a database that is not a store of this program", ErrFormat, s.opts.Dir)
	}
	return nil
}

func (s *Store) getString(key []byte) (string, error) {
	value, closer, err := s.db.Get(key)
	if err != nil {
		return "", storeError("read "+string(key), err)
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
