package cache

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/cockroachdb/pebble/v2"
)

// loadMeta checks that the store is one that this program can use and reads its
// progress; into an empty one it writes its own.
func (s *Store) loadMeta() error {
	format, err := s.getString(metaFormat)
	if errors.Is(err, ErrNotFound) {
		return s.initMeta()
	}
	if err != nil {
		return err
	}
	if format != strconv.Itoa(formatVersion) {
		return fmt.Errorf("%w: %s is of version %q, this program reads %d; use the program that wrote it, or another --store",
			ErrFormat, s.opts.Dir, format, formatVersion)
	}
	if s.origin, err = s.getString(metaOrigin); err != nil {
		return fmt.Errorf("%w: %s says no origin: %w", ErrCorrupt, s.opts.Dir, err)
	}
	if s.opts.Origin != "" && s.opts.Origin != s.origin {
		return fmt.Errorf("%w: %s holds the files of %s, not of %s; give another --store", ErrOrigin, s.opts.Dir, s.origin, s.opts.Origin)
	}
	value, err := s.getString(metaProgress)
	if err != nil {
		return fmt.Errorf("%w: %s has no checkpoint: %w", ErrCorrupt, s.opts.Dir, err)
	}
	p, err := decodeProgress([]byte(value))
	if err != nil {
		return err
	}
	s.commit.progress = p
	s.progress.Store(&p)
	s.nextInode.Store(uint64(p.Next))
	return nil
}

func (s *Store) initMeta() error {
	if s.opts.Origin == "" {
		return fmt.Errorf("%w: %s is empty", ErrFormat, s.opts.Dir)
	}
	if err := s.checkEmpty(); err != nil {
		return err
	}
	s.origin = s.opts.Origin
	batch := s.db.NewBatch()
	defer batch.Close()
	if err := batch.Set(metaFormat, []byte(strconv.Itoa(formatVersion)), nil); err != nil {
		return err
	}
	if err := batch.Set(metaOrigin, []byte(s.origin), nil); err != nil {
		return err
	}
	s.nextInode.Store(uint64(FirstInode))
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
