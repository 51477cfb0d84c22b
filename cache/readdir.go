package cache

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// ReadDir calls fn for the entries of the directory dir, in the order of their
// numbers, beginning after the number after, until fn returns false. It streams:
// nothing but one run is in memory. Files that are gone are left out. fn may
// call the store.
func (s *Store) ReadDir(dir, after Inode, fn func(DirEntry) bool) error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: appendRunKey(nil, dir, 0), UpperBound: appendRunKey(nil, dir+1, 0)})
	if err != nil {
		return storeError("read directory", err)
	}
	if s.progress.Load().Unchecked > 0 {
		fn = s.onlyCurrent(dir, fn)
	}
	err = readDir(it, dir, after, fn)
	return errors.Join(err, storeError("read directory", it.Error()), it.Close())
}

func readDir(it *pebble.Iterator, dir, after Inode, fn func(DirEntry) bool) error {
	// The run that holds the next entry may begin before it.
	valid := it.SeekLT(appendRunKey(nil, dir, after+1))
	if !valid {
		if it.Error() != nil {
			return nil
		}
		valid = it.First()
	}
	for ; valid; valid = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return storeError("read directory", err)
		}
		r, err := decodeRun(value)
		if err != nil {
			return err
		}
		_, first, _ := splitRunKey(it.Key())
		from := 0
		if after >= first {
			from = int(min(after-first+1, Inode(r.n)))
		}
		more := true
		if err := r.each(from, func(k int, name []byte) bool {
			more = fn(DirEntry{Inode: first + Inode(k), Kind: r.kind, Name: name})
			return more
		}); err != nil || !more {
			return err
		}
	}
	return nil
}

// onlyCurrent leaves out the names that a later listing of the same name took
// over, which only a listing out of order can bring about.
func (s *Store) onlyCurrent(dir Inode, fn func(DirEntry) bool) func(DirEntry) bool {
	return func(de DirEntry) bool {
		e, err := s.Lookup(dir, string(de.Name))
		if err == nil && e.Inode != de.Inode {
			return true
		}
		return fn(de)
	}
}
