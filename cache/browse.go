package cache

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// ReadNames calls fn for the entries of the directory dir in the order of their names'
// bytes, from the first one that is not before from on, until fn returns false. Other
// than ReadDir it has the files that are gone too. What comes for an entry is what
// Lookup returns: err is why it cannot be read, and ErrCorrupt mostly. name is valid
// until fn returns. It streams; fn may call the store.
func (s *Store) ReadNames(dir Inode, from string, fn func(name []byte, e Entry, err error) bool) error {
	return s.readNames(dir, fn,
		func(it *pebble.Iterator) bool { return it.SeekGE(appendEntryKey(nil, dir, from)) }, (*pebble.Iterator).Next)
}

// ReadNamesBack is ReadNames in the other direction: it begins with the last entry
// before the name before, or with the last one of all where that is "".
func (s *Store) ReadNamesBack(dir Inode, before string, fn func(name []byte, e Entry, err error) bool) error {
	return s.readNames(dir, fn, func(it *pebble.Iterator) bool {
		if before == "" {
			return it.Last()
		}
		return it.SeekLT(appendEntryKey(nil, dir, before))
	}, (*pebble.Iterator).Prev)
}

func (s *Store) readNames(dir Inode, fn func([]byte, Entry, error) bool, begin, step func(*pebble.Iterator) bool) error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: appendEntryKey(nil, dir, ""), UpperBound: appendEntryKey(nil, dir+1, "")})
	if err != nil {
		return storeError("read names", err)
	}
	for valid := begin(it); valid; valid = step(it) {
		_, name, _ := splitEntryKey(it.Key())
		var e Entry
		value, err := it.ValueAndErr()
		if err == nil {
			e, err = decodeEntry(value)
		}
		if err != nil {
			err = storeError(fmt.Sprintf("read entry %q of directory %d", name, dir), err)
		}
		e.Content = nil // it is the iterator's
		if !fn(name, e, err) {
			break
		}
	}
	return errors.Join(storeError("read names", it.Error()), it.Close())
}

// FailureOf returns why the file with that number could not be fetched. The error is
// ErrNotFound where it has not failed, or one of Lookup.
func (s *Store) FailureOf(ino Inode) (Failure, error) {
	if s.progress.Load().Failed == 0 {
		return Failure{}, ErrNotFound
	}
	value, closer, err := s.db.Get(appendFailedKey(nil, ino))
	if err != nil {
		return Failure{}, storeError("read failed files", err)
	}
	f, err := decodeFailure(value)
	return f, errors.Join(err, closer.Close())
}
