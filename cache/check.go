package cache

import (
	"bytes"
	"cmp"
	"slices"
)

// nameCheck checks a table of names, those of the directories of a segment or those of its files:
// that it is what a Numbering makes, down to the byte, so that whatever reads it later finds each
// name with one number, in one run with its index, in a directory, and no directory in itself.
type nameCheck struct {
	c    NameCounts
	kind Kind
	// hashes are those of the entries, by their numbers, until their runs come.
	hashes  hashes
	indexes []indexed
	names   uint64 // entries
	housed  uint64 // entries whose runs have come
	buf     []byte
	keys    KeyRange // of the entries
	// dirs are the segment's directories: those that have come, or all that are known.
	dirs         *numberSet
	strangers    func(dir Inode) error
	lastStranger Inode
}

// hashes are hashes by numbers, 0 where there is none. Those of files are in a row from first on;
// directories are few, and tables of them are checked many at once.
type hashes struct {
	first Inode
	row   []uint64
	few   map[Inode]uint64
}

func (h *hashes) get(ino Inode) uint64 {
	if h.few != nil {
		return h.few[ino]
	}
	return h.row[ino-h.first]
}

func (h *hashes) set(ino Inode, hash uint64) {
	if h.few != nil {
		h.few[ino] = hash
		return
	}
	h.row[ino-h.first] = hash
}

// numberSet is a set of numbers of a segment.
type numberSet struct {
	first Inode
	bits  []uint64
}

// newNumberSet returns a set of numbers from first on and below end.
func newNumberSet(first, end Inode) *numberSet {
	return &numberSet{first: first, bits: make([]uint64, (end-first+63)/64)}
}

func (s *numberSet) add(ino Inode) { s.bits[(ino-s.first)/64] |= 1 << ((ino - s.first) % 64) }

func (s *numberSet) has(ino Inode) bool {
	k := ino - s.first
	return ino >= s.first && k/64 < Inode(len(s.bits)) && s.bits[k/64]&(1<<(k%64)) != 0
}

// indexed is an index of a run.
type indexed struct {
	first, parent Inode
	used          bool
}

// MaxNumbers is how many numbers a segment may have.
const MaxNumbers = 1 << 22

// newNameCheck returns a check of the table of a segment's directories, or of that of its files:
// then dirs are its directories. strangers, where it is set, is asked for each directory that is
// not the segment's.
func newNameCheck(c NameCounts, kind Kind, dirs *numberSet, strangers func(dir Inode) error) (*nameCheck, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	n := &nameCheck{c: c, kind: kind, dirs: dirs, strangers: strangers}
	if n.hashes.first = c.First; kind == Dir {
		n.hashes.few, n.dirs = map[Inode]uint64{}, newNumberSet(c.First, c.Spare)
	} else {
		n.hashes.row = make([]uint64, c.Spare-c.First)
	}
	return n, nil
}

// check checks the numbers of a segment: how many they are can be relied on then.
func (c *NameCounts) check() error {
	if c.First < FirstInode || c.Spare < c.First || c.End < c.Spare || c.End == c.First || uint64(c.End-c.Spare) > max(c.Files, 1) || c.End > 1<<62 {
		return errTable("its numbers are from %d on, the spare ones from %d to %d", c.First, c.Spare, c.End)
	}
	if c.End-c.First > MaxNumbers {
		return errTable("it has %d numbers", c.End-c.First)
	}
	return nil
}

// named is how many names of a kind the segment has.
func (c *NameCounts) named(kind Kind) uint64 {
	if kind == Dir {
		return c.Dirs
	}
	return c.Files
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

// directory checks a directory that a name stands in. One of the segment has come before it: its
// own entry stands in a directory with a lower number.
func (n *nameCheck) directory(dir Inode) error {
	if dir == RootInode || n.dirs.has(dir) {
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
	case e.Kind != n.kind:
		return errTable("the entry %q of directory %d is of the other kind", name, parent)
	case !n.inside(e.Inode) || n.hashes.get(e.Inode) != 0 || n.dirs.has(e.Inode):
		return errTable("the entry %q of directory %d has the number %d", name, parent, e.Inode)
	case e.Kind == Dir && (e.State != Inline || e.Inode <= parent):
		return errTable("the directory %q, %d, stands in %d", name, e.Inode, parent)
	case e.Kind == File && e.State != Pending, len(e.ETag) > maxETag:
		return errTable("the file %q of directory %d is not one that was listed", name, parent)
	}
	if n.buf = appendEntryHead(n.buf[:0], &e); !bytes.Equal(n.buf, value) {
		return errTable("the entry %q of directory %d is written oddly", name, parent)
	}
	n.hashes.set(e.Inode, entryHash(parent, name, e.Inode, e.Kind)|1)
	if n.names++; n.names > n.c.named(n.kind) {
		return errTable("it has more names than the %d that were said", n.names-1)
	}
	if n.kind == Dir {
		n.dirs.add(e.Inode)
	}
	if n.keys.Min == nil {
		n.keys.Min = slices.Clone(key)
	}
	n.keys.Max = append(n.keys.Max[:0], key...)
	return nil
}

func (n *nameCheck) index(key, value []byte) error {
	first, ok := splitInodeKey(key)
	index, err := decodeRunIndex(value)
	if !ok || err != nil || !n.inside(first) || index.mark != newRunIndex(index.parent, n.kind).mark {
		return errTable("the index %q does not decode", key)
	}
	if n.buf = appendRunIndex(n.buf[:0], index); !bytes.Equal(n.buf, value) {
		return errTable("the index of run %d is written oddly", first)
	}
	n.indexes = append(n.indexes, indexed{first: first, parent: index.parent})
	return nil
}

func (n *nameCheck) run(key, value []byte) error {
	parent, first, ok := splitRunKey(key)
	r, err := decodeRun(value)
	if !ok || err != nil || r.kind != n.kind || !n.inside(first) || Inode(r.n) > n.c.Spare-first || r.n > MaxPage {
		return errTable("the run %q does not decode", key)
	}
	if n.buf, err = canonicalRun(n.buf[:0], &r); err != nil || !bytes.Equal(n.buf, value) {
		return errTable("run %d of directory %d is written oddly", first, parent)
	}
	i, found := slices.BinarySearchFunc(n.indexes, first, func(i indexed, first Inode) int { return cmp.Compare(i.first, first) })
	if !found || n.indexes[i].used || n.indexes[i].parent != parent {
		return errTable("run %d of directory %d has another index", first, parent)
	}
	n.indexes[i].used = true
	wrong := false
	_ = r.each(0, func(k int, name []byte) bool { // it was read just now
		ino := first + Inode(k)
		wrong = n.hashes.get(ino) != entryHash(parent, name, ino, r.kind)|1
		n.hashes.set(ino, 0)
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
	if want := n.c.named(n.kind); n.housed != n.names || n.names != want {
		return errTable("it has %d names, %d of them in runs, and should have %d", n.names, n.housed, want)
	}
	if keys := n.c.keys(n.kind); !bytes.Equal(n.keys.Min, keys.Min) || !bytes.Equal(n.keys.Max, keys.Max) {
		return errTable("it has other bounds than was said")
	}
	return nil
}
