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
	if s.progress.Load().Unchecked > 0 {
		return s.ReadDirPlus(dir, after, func(de DirEntry, _ Entry, _ error) bool { return fn(de) })
	}
	return s.readDir(dir, after, fn)
}

// ReadDirPlus is ReadDir with what Lookup returns for each name.
func (s *Store) ReadDirPlus(dir, after Inode, fn func(DirEntry, Entry, error) bool) error {
	w := walk{s: s, dir: dir}
	defer w.close()
	return s.readDir(dir, after, func(de DirEntry) bool {
		e, err := w.find(de.Name)
		if err == nil && e.Inode != de.Inode {
			// A later listing of the same name took it over, which only a
			// listing out of order can bring about.
			return true
		}
		return fn(de, e, err)
	})
}

// walk looks the names of one directory up, fast where they are asked for in
// the store's order.
type walk struct {
	s   *Store
	dir Inode
	c   cursor
}

// walkSearches is how often a walk searches with its cursor, which begins a row
// of names in the store's order. From then on it looks each name up by itself:
// that is quicker for names out of order, as it uses the tables' filters.
const walkSearches = 4

func (w *walk) find(name []byte) (e Entry, err error) {
	if w.c.it == nil {
		if w.c.it, err = w.s.db.NewIter(&pebble.IterOptions{LowerBound: appendEntryKey(nil, w.dir, ""), UpperBound: appendEntryKey(nil, w.dir+1, "")}); err != nil {
			return e, storeError("look up entry", err)
		}
	}
	w.c.key = append(appendEntryKey(w.c.key[:0], w.dir, ""), name...)
	if w.c.searches >= walkSearches {
		e, err = w.s.lookupKey(w.c.key)
	} else {
		var value []byte
		var ok bool
		if value, ok, err = w.c.findKey(); err == nil && !ok {
			err = ErrNotFound
		}
		if err == nil {
			e, err = w.s.decode(w.c.key, value)
		}
	}
	e.Content = nil
	return e, err
}

func (w *walk) close() {
	if w.c.it != nil {
		_ = w.c.it.Close() // says again what find said
	}
}

func (s *Store) readDir(dir, after Inode, fn func(DirEntry) bool) error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: appendRunKey(nil, dir, 0), UpperBound: appendRunKey(nil, dir+1, 0)})
	if err != nil {
		return storeError("read directory", err)
	}
	err = readRuns(it, dir, after, fn)
	return errors.Join(err, storeError("read directory", it.Error()), it.Close())
}

func readRuns(it *pebble.Iterator, dir, after Inode, fn func(DirEntry) bool) error {
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
