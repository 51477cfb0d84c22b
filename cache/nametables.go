package cache

import (
	"bytes"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// NameTables are the tables of a segment's names.
type NameTables struct {
	// Names has the entries (pending), runs and indexes of its names and of the directories
	// that come with them.
	Names []byte
	// Context has the directories that the names stand in and that earlier segments have, up
	// to the root: an entry, a run of one name and its index for each. Who has nothing else
	// finds by it what the names are called at the origin.
	Context []byte
	// NamesSum and ContextSum are the sums of both; see Table.
	NamesSum, ContextSum uint64
	Counts               NameCounts
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
	t.bound(n.groups, n.order)
	if len(n.files) > 0 {
		t.Counts.Bound(n.first, true)
		t.Counts.Bound(n.state.last, false)
	}
	w := newTableWriter(make([]byte, 0, 64<<10+len(n.files)*48), nil)
	err := n.writeEntries(w, t)
	if err == nil {
		err = n.writeIndexes(w)
	}
	if err == nil {
		err = n.writeRuns(w)
	}
	if err != nil {
		return nil, err
	}
	_, t.NamesSum, _ = w.end()
	t.Names = w.buf
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

// bound notes which directories the runs are of.
func (t *NameTables) bound(groups []group, order []int32) {
	for _, k := range order {
		if g := &groups[k]; g.nFiles+g.nDirs > 0 {
			if t.Counts.MinDir == 0 {
				t.Counts.MinDir = g.ino
			}
			t.Counts.MaxDir = g.ino
		}
	}
}

// writeEntries writes the entries, those of each directory by their names.
func (n *Numbering) writeEntries(w *tableWriter, t *NameTables) error {
	var key []byte
	for _, k := range n.order {
		g := &n.groups[k]
		key = appendEntryKey(key[:0], g.ino, "")
		file, dir := g.files, g.dirs
		ino := g.firstFile
		for file != 0 || dir != 0 {
			var e Entry
			if dir == 0 || file != 0 && n.files[file-1].name < n.groups[dir].name {
				f := &n.files[file-1]
				e = Entry{Inode: ino, State: Pending, Size: f.size, ModTime: f.modTime, ETag: f.etag}
				key, file = append(key[:entryKeyLen], f.name...), f.next
				ino++
			} else {
				d := &n.groups[dir]
				e = dirEntry(d.ino, n.state.made)
				key, dir = append(key[:entryKeyLen], d.name...), d.nextDir
			}
			if t.Counts.MinEntry == nil {
				t.Counts.MinEntry = slices.Clone(key)
			}
			n.buf = appendEntryHead(n.buf[:0], &e)
			if err := w.add(key, n.buf, nil); err != nil {
				return err
			}
		}
	}
	t.Counts.MaxEntry = slices.Clone(w.prev)
	return nil
}

// dirEntry is the entry of a directory that is new.
func dirEntry(ino Inode, now int64) Entry {
	return Entry{Inode: ino, Kind: Dir, State: Inline, Size: -1, Fetched: now}
}

// writeIndexes writes the indexes of the runs: the runs of directories come before those
// of files, each kind in the order of the groups, as the numbers do.
func (n *Numbering) writeIndexes(w *tableWriter) error {
	var key []byte
	for _, kind := range []Kind{Dir, File} {
		for k := range n.groups {
			g := &n.groups[k]
			first, names := g.firstDir, int(g.nDirs)
			if kind == File {
				first, names = g.firstFile, int(g.nFiles)
			}
			for ; names > 0; first, names = first+MaxPage, names-MaxPage {
				key = appendRunIndexKey(key[:0], first)
				n.buf = appendRunIndex(n.buf[:0], newRunIndex(g.ino, kind))
				if err := w.add(key, n.buf, nil); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// writeRuns writes the runs, of at most MaxPage names each.
func (n *Numbering) writeRuns(w *tableWriter) error {
	for _, k := range n.order {
		g := &n.groups[k]
		dir, file := g.dirs, g.files
		if err := n.writeRun(w, g.ino, g.firstDir, Dir, int(g.nDirs), func(int) (string, bool) {
			d := &n.groups[dir]
			dir = d.nextDir
			return d.name, true
		}); err != nil {
			return err
		}
		if err := n.writeRun(w, g.ino, g.firstFile, File, int(g.nFiles), func(int) (string, bool) {
			f := &n.files[file-1]
			file = f.next
			return f.name, true
		}); err != nil {
			return err
		}
	}
	return nil
}

func (n *Numbering) writeRun(w *tableWriter, dir, first Inode, kind Kind, names int, name func(int) (string, bool)) error {
	for ; names > 0; first, names = first+MaxPage, names-MaxPage {
		n.buf = appendRun(n.buf[:0], kind, min(names, MaxPage), name)
		if err := w.add(appendRunKey(nil, dir, first), n.buf, nil); err != nil {
			return err
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
