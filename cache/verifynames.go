package cache

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// runs reads every run, and checks that its directory is there.
func (v *verifier) runs() error {
	lastParent := RootInode
	return v.eachRun(func(r *cachedRun, err error) {
		if err != nil {
			v.problem("%v", err)
			return
		}
		v.report.Runs++
		if r.parent != lastParent {
			lastParent = r.parent
			v.directory(r.parent, r.first)
		}
		v.indexed.toggle(indexHash(r.first, r.parent))
		if end := r.first + Inode(r.n); r.first < FirstInode || end > v.progress.Next {
			v.problem("run %d…%d of directory %d is outside the numbers given out, %d…%d", r.first, end-1, r.parent, FirstInode, v.progress.Next-1)
		}
		count := &v.seen.Files // those with a run; the gone ones are added by names
		if r.kind == Dir {
			count = &v.seen.Dirs
		}
		if err := r.each(0, func(k int, name []byte) bool {
			*count++
			v.named.toggle(entryHash(r.parent, name, r.first+Inode(k), r.kind))
			return true
		}); err != nil {
			v.problem("run %d of directory %d: %v", r.first, r.parent, err)
		}
	})
}

// eachRun calls fn for each run, or for the error of one that does not decode.
func (v *verifier) eachRun(fn func(*cachedRun, error)) error {
	return v.walk(keyRun, func(key, value []byte) error {
		parent, first, ok := splitRunKey(key)
		r, err := decodeRun(value)
		if !ok || err != nil {
			err = fmt.Errorf("run %x: %w", key, errors.Join(err, ErrCorrupt))
		}
		fn(&cachedRun{run: r, parent: parent, first: first}, err)
		return nil
	})
}

// entryHash and indexHash are what tallies have of a name with its number, and of a run
// with its directory.
func entryHash(parent Inode, name []byte, ino Inode, kind Kind) uint64 {
	return nameHash(parent, name) + blobHash(uint64(ino)<<1|uint64(kind))
}

func indexHash(first, parent Inode) uint64 { return blobHash(uint64(first)) + uint64(parent) }

// names looks up the names of runs that the entries do not have with the same numbers,
// and checks that no entry is left over.
func (v *verifier) names() error {
	if !v.named.balanced() {
		if err := v.lookUp(); err != nil {
			return err
		}
	}
	if all := v.seen.Files + v.seen.Dirs; v.shown != all && !v.short {
		v.problem("%d entries are in no run of names", int64(v.shown)-int64(all))
	}
	v.seen.Files += v.seen.Gone
	return nil
}

func (v *verifier) lookUp() error {
	it, err := v.s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyEntry}, UpperBound: []byte{keyEntry + 1}})
	if err != nil {
		return storeError("verify", err)
	}
	c := &cursor{it: it}
	err = v.eachRun(func(r *cachedRun, err error) {
		if err != nil {
			return // it was told
		}
		count := &v.seen.Files
		if r.kind == Dir {
			count = &v.seen.Dirs
		}
		_ = r.each(0, func(k int, name []byte) bool {
			ino := r.first + Inode(k)
			if v.named.odd(entryHash(r.parent, name, ino, r.kind)) && !v.name(c, r.parent, ino, r.kind, string(name)) {
				*count--
			}
			return true
		})
	})
	return errors.Join(err, ignoreCorrupt(c.close()))
}

func (v *verifier) directory(ino, run Inode) {
	if ino == RootInode || v.short {
		return
	}
	if e, err := v.s.Get(ino); err != nil || e.Kind != Dir {
		v.problem("run %d stands in inode %d, which is not a directory: %v", run, ino, err)
	}
}

// name checks that a name of a run has an entry with its number, and reports whether.
func (v *verifier) name(c *cursor, parent, ino Inode, kind Kind, name string) bool {
	if v.short && inSpans(v.lost, appendEntryKey(nil, parent, name)) {
		return false
	}
	value, ok, err := c.find(parent, name)
	if err != nil || !ok {
		v.problem("inode %d: %q of directory %d has no entry: %v", ino, name, parent, err)
		return false
	}
	e, err := decodeEntry(value)
	switch {
	case err != nil:
		v.problem("inode %d: %q of directory %d: %v", ino, name, parent, err)
	case e.Inode != ino && (v.progress.Unchecked > 0 || v.counting) && e.Kind == kind:
		v.report.Superseded++
	case e.Inode != ino || e.Kind != kind:
		v.problem("inode %d: %q of directory %d has an entry with number %d", ino, name, parent, e.Inode)
	case e.State == Gone:
		v.problem("inode %d: %q of directory %d is gone but still shown", ino, name, parent)
	default:
		return true
	}
	return false
}

// index checks that every run has its index, and that none stands without its run.
func (v *verifier) index() error {
	n := uint64(0)
	if err := v.walk(keyRunIndex, func(key, value []byte) error {
		n++
		first, ok := splitInodeKey(key)
		index, err := decodeRunIndex(value)
		if err != nil || !ok {
			v.problem("index of run %d: %v", first, errors.Join(err, ErrCorrupt))
			return nil
		}
		v.indexed.toggle(indexHash(first, index.parent))
		return nil
	}); err != nil {
		return err
	}
	if n != v.report.Runs && !v.short {
		v.problem("%d runs have %d indexes", v.report.Runs, n)
	}
	if v.indexed.balanced() {
		return nil
	}
	return v.eachRun(func(r *cachedRun, err error) {
		if err == nil && v.indexed.odd(indexHash(r.first, r.parent)) {
			v.runIndex(r.parent, r.first)
		}
	})
}

func (v *verifier) runIndex(parent, first Inode) {
	if inSpans(v.lost, appendRunIndexKey(nil, first)) {
		return
	}
	value, closer, err := v.s.db.Get(appendRunIndexKey(nil, first))
	if err != nil {
		v.problem("run %d of directory %d has no index: %v", first, parent, err)
		return
	}
	if index, err := decodeRunIndex(value); err != nil || index.parent != parent {
		v.problem("run %d of directory %d is indexed under directory %d: %v", first, parent, index.parent, err)
	}
	if err := closer.Close(); err != nil {
		v.problem("index of run %d: %v", first, err)
	}
}
