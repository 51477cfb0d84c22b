package cache

import (
	"bytes"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// NameTables are the tables of a segment's names.
type NameTables struct {
	// Dirs has the entries, indexes and runs of the directories that are new, and Files those of
	// its files, which are pending: so that who looks for directories need not have all files.
	Dirs, Files []byte
	// Context has the directories that the names stand in and that earlier segments have, up
	// to the root: an entry, a run of one name and its index for each. Who has nothing else
	// finds by it what the names are called at the origin.
	Context []byte
	// DirsSum, FilesSum and ContextSum are their sums; see Table.
	DirsSum, FilesSum, ContextSum uint64
	Counts                        NameCounts
}

// TableOf is the table that stands in b.
func TableOf(b []byte) Table {
	return Table{ReaderAt: bytes.NewReader(b), Size: int64(len(b)), Sum: xxhash.Sum64(b)}
}

// Finish ends the segment of the names gathered since the last one, and begins another.
// The same names after the same state make the same tables. The numbering cannot be used
// any more after an error.
func (n *Numbering) Finish() (*NameTables, error) {
	if n.unordered != nil {
		return n.unordered.finish()
	}
	t := &NameTables{Counts: n.number()}
	n.sortGroups(t.Counts.First)
	if n.named {
		t.Counts.Bound(n.first, true)
		t.Counts.Bound(n.state.last, false)
	}
	var err error
	if t.Dirs, t.DirsSum, err = n.table(Dir, int(t.Counts.Dirs), &t.Counts.DirKeys); err != nil {
		return nil, err
	}
	if t.Files, t.FilesSum, err = n.table(File, len(n.files), &t.Counts.FileKeys); err != nil {
		return nil, err
	}
	if t.Context, t.ContextSum, err = contextTable(n.context()); err != nil {
		return nil, err
	}
	s := &n.state
	s.next, s.last = t.Counts.End, strings.Clone(s.last)
	for k := range s.dirs {
		if d := &s.dirs[k]; d.group >= 0 {
			d.ino = n.groups[d.group].ino
		}
	}
	n.begin()
	return t, nil
}

// sortGroups sorts the groups by their numbers: those of new directories are consecutive,
// from first on, and come after all others.
func (n *Numbering) sortGroups(first Inode) {
	n.order = slices.Grow(n.order[:0], len(n.groups))
	dirs := 0
	for k := range n.groups {
		if n.groups[k].isNew {
			dirs++
		} else {
			n.order = append(n.order, int32(k))
		}
	}
	slices.SortFunc(n.order, func(a, b int32) int { return int(n.groups[a].ino) - int(n.groups[b].ino) })
	old := len(n.order)
	n.order = n.order[:old+dirs]
	for k := range n.groups {
		if g := &n.groups[k]; g.isNew {
			n.order[old+int(g.ino-first)] = int32(k)
		}
	}
}

// tablePerName is about what a name takes in a table, in bytes.
const tablePerName = 48

// table makes the table of the names of one kind.
func (n *Numbering) table(kind Kind, names int, keys *KeyRange) (table []byte, sum uint64, err error) {
	w := newTableWriter(make([]byte, 0, names*tablePerName+4<<10), nil)
	if err = n.writeEntries(w, kind, keys); err == nil {
		err = n.writeIndexes(w, kind)
	}
	if err == nil {
		err = n.writeRuns(w, kind)
	}
	if err != nil {
		return nil, 0, err
	}
	_, sum, err = w.end()
	return w.buf, sum, err
}

// names returns the names that a group has of a kind: how many, the number of the first, and
// what returns one after the other.
func (n *Numbering) names(g *group, kind Kind) (count int, first Inode, next func() (name string, file *gathered)) {
	if kind == Dir {
		at := g.dirs
		return int(g.nDirs), g.firstDir, func() (string, *gathered) {
			d := &n.groups[at]
			at = d.nextDir
			return d.name, nil
		}
	}
	at := g.files
	return int(g.nFiles), g.firstFile, func() (string, *gathered) {
		f := &n.files[at-1]
		at = f.next
		return f.name, f
	}
}

// writeEntries writes the entries of a kind, those of each directory by their names, and notes
// where they stand.
func (n *Numbering) writeEntries(w *tableWriter, kind Kind, keys *KeyRange) error {
	var key []byte
	for _, k := range n.order {
		g := &n.groups[k]
		count, ino, next := n.names(g, kind)
		key = appendEntryKey(key[:0], g.ino, "")
		for end := ino + Inode(count); ino < end; ino++ {
			name, f := next()
			e := dirEntry(ino, n.state.made)
			if f != nil {
				e = Entry{Inode: ino, State: Pending, Size: f.size, ModTime: f.modTime, ETag: f.etag}
			}
			key = append(key[:entryKeyLen], name...)
			if keys.Min == nil {
				keys.Min = slices.Clone(key)
			}
			n.buf = appendEntryHead(n.buf[:0], &e)
			if err := w.add(key, n.buf, nil); err != nil {
				return err
			}
		}
	}
	keys.Max = slices.Clone(w.prev)
	return nil
}

// dirEntry is the entry of a directory that is new.
func dirEntry(ino Inode, now int64) Entry {
	return Entry{Inode: ino, Kind: Dir, State: Inline, Size: -1, Fetched: now}
}

// writeIndexes writes the indexes of the runs of a kind, in the order of the groups, as the
// numbers are.
func (n *Numbering) writeIndexes(w *tableWriter, kind Kind) error {
	var key []byte
	for k := range n.groups {
		g := &n.groups[k]
		for count, first, _ := n.names(g, kind); count > 0; first, count = first+MaxPage, count-MaxPage {
			key = appendRunIndexKey(key[:0], first)
			n.buf = appendRunIndex(n.buf[:0], newRunIndex(g.ino, kind))
			if err := w.add(key, n.buf, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeRuns writes the runs of a kind, of at most MaxPage names each.
func (n *Numbering) writeRuns(w *tableWriter, kind Kind) error {
	var key []byte
	for _, k := range n.order {
		g := &n.groups[k]
		count, first, next := n.names(g, kind)
		for ; count > 0; first, count = first+MaxPage, count-MaxPage {
			n.buf = appendRun(n.buf[:0], kind, min(count, MaxPage), func(int) (string, bool) {
				name, _ := next()
				return name, true
			})
			key = appendRunKey(key[:0], g.ino, first)
			if err := w.add(key, n.buf, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// contextDir is a directory of a context.
type contextDir struct {
	parent, ino Inode
	name        string
	made        int64
}

// context returns the directories that earlier segments have.
func (n *Numbering) context() (dirs []contextDir) {
	for k := range n.groups {
		if g := &n.groups[k]; !g.isNew && k > 0 {
			dirs = append(dirs, contextDir{n.groups[g.parent].ino, g.ino, g.name, n.state.made})
		}
	}
	return dirs
}

// contextTable makes a table of directories.
func contextTable(dirs []contextDir) (table []byte, sum uint64, err error) {
	records := make([]keyValue, 0, 3*len(dirs))
	for k := range dirs {
		d := &dirs[k]
		e := dirEntry(d.ino, d.made)
		records = append(records, keyValue{appendEntryKey(nil, d.parent, d.name), appendEntryHead(nil, &e)},
			keyValue{appendRunIndexKey(nil, d.ino), appendRunIndex(nil, newRunIndex(d.parent, Dir))},
			keyValue{appendRunKey(nil, d.parent, d.ino), appendRun(nil, Dir, 1, func(int) (string, bool) { return d.name, true })})
	}
	return tableFrom(records)
}

// keyValue is a key of a table and its value.
type keyValue struct{ key, value []byte }

// tableFrom makes a table of records, which it sorts.
func tableFrom(records []keyValue) (table []byte, sum uint64, err error) {
	slices.SortFunc(records, func(a, b keyValue) int { return bytes.Compare(a.key, b.key) })
	w := newTableWriter(nil, nil)
	for _, r := range records {
		if err := w.add(r.key, r.value, nil); err != nil {
			return nil, 0, err
		}
	}
	_, sum, err = w.end()
	return w.buf, sum, err
}
