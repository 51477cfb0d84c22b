package cache

import (
	"bytes"
	"cmp"
	"slices"
)

// nameCheck checks a table of names: that it is what a Numbering makes, down to the byte, so
// that whatever reads it later finds each name with one number, in one run with its index,
// and no directory in itself.
type nameCheck struct {
	c NameCounts
	// hashes are those of the entries, by number from c.First on, until their runs come.
	hashes      []uint64
	indexes     []indexed
	files, dirs uint64
	housed      uint64 // entries whose runs have come
	buf         []byte
	// minDir and maxDir are of the runs, first and last keys of entries.
	minDir, maxDir Inode
	first, last    []byte
	strangers      func(dir Inode) error
	lastStranger   Inode
}

// indexed is an index of a run.
type indexed struct {
	first, parent Inode
	mark          byte
	used          bool
}

// repeatedNames is how many numbers a segment may have of which none is in its table: names
// of a listing out of order that came before took one each before that was seen.
const repeatedNames = 1 << 20

// newNameCheck returns a check of a table of size bytes. strangers, where it is set, is
// asked for each directory that is not the segment's.
func newNameCheck(c NameCounts, size int64, strangers func(dir Inode) error) (*nameCheck, error) {
	if err := c.check(size); err != nil {
		return nil, err
	}
	return &nameCheck{c: c, hashes: make([]uint64, c.Spare-c.First), strangers: strangers}, nil
}

// check checks the numbers of a segment whose table has size bytes: how many they are can
// be relied on then.
func (c *NameCounts) check(size int64) error {
	if c.First < FirstInode || c.Spare < c.First || c.End < c.Spare || c.End == c.First || uint64(c.End-c.Spare) > max(c.Files, 1) || c.End > 1<<62 {
		return errTable("its numbers are from %d on, the spare ones from %d to %d", c.First, c.Spare, c.End)
	}
	if uint64(c.Spare-c.First) > uint64(max(size, repeatedNames)) {
		return errTable("it cannot have %d names in %d bytes", c.Spare-c.First, size)
	}
	return nil
}

func (n *nameCheck) record(key, value []byte) error {
	switch key[0] {
	case keyEntry:
		return n.entry(key, value)
	case keyRunIndex:
		return n.index(key, value)
	case keyRun:
		return n.run(key, value)
	}
	return errTable("names have a key %q", key)
}

// inside reports whether a number is one that the segment gives out.
func (n *nameCheck) inside(ino Inode) bool { return ino >= n.c.First && ino < n.c.Spare }

// directory checks a directory that a name stands in.
func (n *nameCheck) directory(dir Inode) error {
	if n.inside(dir) || dir == RootInode {
		return nil
	}
	if dir < FirstInode || dir >= n.c.First {
		return errTable("there is no directory %d", dir)
	}
	if n.strangers == nil || dir == n.lastStranger {
		return nil
	}
	n.lastStranger = dir
	return n.strangers(dir)
}

func (n *nameCheck) entry(key, value []byte) error {
	parent, name, ok := splitEntryKey(key)
	e, err := decodeEntry(value)
	if !ok || err != nil || !componentOK(string(name)) {
		return errTable("the entry %q does not decode", key)
	}
	if err := n.directory(parent); err != nil {
		return err
	}
	switch {
	case !n.inside(e.Inode) || n.hashes[e.Inode-n.c.First] != 0:
		return errTable("the entry %q of directory %d has the number %d", name, parent, e.Inode)
	case e.Kind == Dir && (e.State != Inline || e.Inode <= parent):
		return errTable("the directory %q, %d, stands in %d", name, e.Inode, parent)
	case e.Kind == File && e.State != Pending, len(e.ETag) > maxETag:
		return errTable("the file %q of directory %d is not one that was listed", name, parent)
	}
	if n.buf = appendEntryHead(n.buf[:0], &e); !bytes.Equal(n.buf, value) {
		return errTable("the entry %q of directory %d is written oddly", name, parent)
	}
	n.hashes[e.Inode-n.c.First] = entryHash(parent, name, e.Inode, e.Kind) | 1
	if e.Kind == Dir {
		n.dirs++
	} else {
		n.files++
	}
	if n.first == nil {
		n.first = slices.Clone(key)
	}
	n.last = append(n.last[:0], key...)
	return nil
}

func (n *nameCheck) index(key, value []byte) error {
	first, ok := splitInodeKey(key)
	index, err := decodeRunIndex(value)
	if !ok || err != nil || !n.inside(first) || index.mark == markAsked {
		return errTable("the index %q does not decode", key)
	}
	if n.buf = appendRunIndex(n.buf[:0], index); !bytes.Equal(n.buf, value) {
		return errTable("the index of run %d is written oddly", first)
	}
	n.indexes = append(n.indexes, indexed{first: first, parent: index.parent, mark: index.mark})
	return nil
}

func (n *nameCheck) run(key, value []byte) error {
	parent, first, ok := splitRunKey(key)
	r, err := decodeRun(value)
	if !ok || err != nil || !n.inside(first) || Inode(r.n) > n.c.Spare-first || r.n > MaxPage {
		return errTable("the run %q does not decode", key)
	}
	if n.buf, err = canonicalRun(n.buf[:0], &r); err != nil || !bytes.Equal(n.buf, value) {
		return errTable("run %d of directory %d is written oddly", first, parent)
	}
	i, found := slices.BinarySearchFunc(n.indexes, first, func(i indexed, first Inode) int { return cmp.Compare(i.first, first) })
	if !found || n.indexes[i].used || n.indexes[i].parent != parent || n.indexes[i].mark != newRunIndex(parent, r.kind).mark {
		return errTable("run %d of directory %d has another index", first, parent)
	}
	n.indexes[i].used = true
	if n.minDir == 0 {
		n.minDir = parent
	}
	n.maxDir = parent
	wrong := false
	_ = r.each(0, func(k int, name []byte) bool { // it was read just now
		at := &n.hashes[first+Inode(k)-n.c.First]
		wrong = *at != entryHash(parent, name, first+Inode(k), r.kind)|1
		*at = 0
		n.housed++
		return !wrong
	})
	if wrong {
		return errTable("run %d of directory %d has names without an entry", first, parent)
	}
	return nil
}

// canonicalRun appends what appendRun makes of the names of r.
func canonicalRun(dst []byte, r *run) ([]byte, error) {
	c := &cachedRun{run: *r}
	names, err := c.names()
	if err != nil {
		return dst, err
	}
	return appendRun(dst, r.kind, r.n, func(k int) (string, bool) { return names[k], names[k] != "" }), nil
}

// end checks that all has come, and as many as was said.
func (n *nameCheck) end() error {
	for k := range n.indexes {
		if !n.indexes[k].used {
			return errTable("run %d is missing", n.indexes[k].first)
		}
	}
	c := &n.c
	if n.housed != n.files+n.dirs || n.files != c.Files || n.dirs != c.Dirs || c.Unchecked != 0 {
		return errTable("it has %d files and %d directories, %d of them in runs, and should have %d and %d", n.files, n.dirs, n.housed, c.Files, c.Dirs)
	}
	if n.minDir != c.MinDir || n.maxDir != c.MaxDir || !bytes.Equal(n.first, c.MinEntry) || !bytes.Equal(n.last, c.MaxEntry) {
		return errTable("it has other bounds than was said")
	}
	return nil
}
