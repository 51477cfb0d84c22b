package cache

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
)

// salvage puts what can be read of a table into the database. The table may be older
// than what the database has, or newer; so of two values of a key the one is taken
// that says more. It does not matter in which order tables come, or how often.
func (r *repairer) salvage(s *Store, o sstable.ReaderOptions, path string) error {
	t, err := openTable(r.fs, o, path)
	if errors.Is(err, ErrCorrupt) {
		return nil // nothing can be read
	}
	if err != nil {
		return err
	}
	batch := s.db.NewBatch()
	apply := func() error {
		err := errors.Join(s.db.Apply(batch, pebble.NoSync), batch.Close(), r.ctx.Err())
		batch = s.db.NewBatch()
		return err
	}
	err = t.records(func(key, value []byte, deleted bool) error {
		if deleted || len(key) == 0 {
			return nil // what it deleted comes up again, and is put right later
		}
		old, err := r.getOld(s, key)
		if err != nil {
			return err
		}
		better, err := s.better(key, old, value)
		if err != nil || better == nil {
			return err
		}
		if err := batch.Set(key, better, nil); err != nil {
			return err
		}
		if batch.Len() > bulkBatch {
			return apply()
		}
		return nil
	})
	if errors.Is(err, ErrCorrupt) {
		r.problem("%s: %v", path, err)
		err = nil
	}
	if err == nil {
		err = apply()
	}
	return errors.Join(err, batch.Close(), t.close())
}

// getOld is what the database has of a key; nil if nothing.
func (r *repairer) getOld(s *Store, key []byte) ([]byte, error) {
	value, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, storeError("repair", err)
	}
	old := append([]byte{}, value...)
	return old, closer.Close()
}

// better is what a key is to have, of what it has and another value; nil for what it
// has.
func (s *Store) better(key, old, value []byte) ([]byte, error) {
	if string(key) == string(metaID) && string(value) != s.format.ID {
		return nil, saying(ErrFormat, "the %s file and a table are of two stores", formatFile)
	}
	if old == nil {
		return value, nil
	}
	switch key[0] {
	case keyEntry:
		a, errA := decodeEntry(old)
		b, errB := decodeEntry(value)
		if errB == nil && (errA != nil || a.newer(&b)) {
			return value, nil
		}
	case keyRun:
		return mergeRuns(old, value), nil
	case keyMeta:
		if string(key) == string(metaNumbers) {
			a, b := decoder{rest: old}, decoder{rest: value}
			if before, mark := a.uvarint(), b.uvarint(); !b.bad && (a.bad || mark > before) {
				return value, nil
			}
			return nil, nil
		}
		if string(key) != string(metaProgress) {
			return nil, nil
		}
		a, errA := decodeProgress(old)
		b, errB := decodeProgress(value)
		if errB == nil && (errA != nil || a.newer(&b)) {
			return value, nil
		}
	}
	return nil, nil
}

// newer reports whether b, of the same name, came after e: what is decided stays so,
// and of two numbers the later one has the name.
func (e *Entry) newer(b *Entry) bool {
	if (e.State == Pending) != (b.State == Pending) {
		return e.State == Pending
	}
	return b.Inode > e.Inode
}

// newer reports whether b came after a.
func (p *Progress) newer(b *Progress) bool {
	if p.Next != b.Next {
		return b.Next > p.Next
	}
	return b.Fetched+b.Gone+b.Failed > p.Fetched+p.Gone+p.Failed
}

// mergeRuns is a run with the holes of both, as names only leave one.
func mergeRuns(old, value []byte) []byte {
	a, errA := decodeRun(old)
	b, errB := decodeRun(value)
	if errB != nil || errA == nil && (a.n != b.n || a.kind != b.kind) {
		return nil
	}
	if errA != nil {
		return value
	}
	one, errA := a.names()
	two, errB := b.names()
	if errB != nil {
		return nil
	}
	if errA != nil {
		return value
	}
	return appendRun(nil, a.kind, a.n, func(k int) (string, bool) { return one[k], one[k] != "" && two[k] != "" })
}

// names are all names of a run, "" for holes.
func (r *run) names() ([]string, error) {
	names := make([]string, r.n)
	err := r.each(0, func(k int, name []byte) bool { names[k] = string(name); return true })
	return names, err
}
