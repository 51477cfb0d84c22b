package cache

import (
	"errors"
	"math"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// unorderedNumbering is a Numbering of a listing out of order: the names go into a store with
// all names so far, page by page as a Planner plans them, and what is committed there into the
// tables.
type unorderedNumbering struct {
	n  *Numbering
	s  *Store
	pl *Planner

	waiting []Name
	bytes   int64
	// first is the segment's first number, before what the store counted before it.
	first    Inode
	before   Progress
	skipped  uint64
	promised uint64
	records  map[Kind][]keyValue
	// bounds are those of the names; bounded says that there is one.
	bounds  NameCounts
	bounded bool
}

// Unordered has the numbering go on with a listing out of order, after Add has returned
// ErrUnordered: store has all names of all segments before (see IngestFiles), and is the
// numbering's to write. Names gathered since are numbered anew; a name that comes again
// is left out.
func (n *Numbering) Unordered(store *Store) error {
	if got := store.Progress().Next; got != n.state.next {
		return errTable("the store ends at number %d, and the next one is %d", got, n.state.next)
	}
	pl, err := store.NewPlanner()
	if err != nil {
		return err
	}
	u := &unorderedNumbering{n: n, s: store, pl: pl, first: n.state.next, before: store.Progress(), records: map[Kind][]keyValue{}}
	// What is there is never asked for, nor numbered anew.
	pl.LeaveBelow = math.MaxUint64
	pl.Skip = func(name string, err error) {
		u.skipped++
		if n.Skip != nil {
			n.Skip(name, err)
		}
	}
	names, err := n.gatheredNames()
	if err != nil {
		return err
	}
	u.skipped = n.skipped // they were told of
	n.begin()
	n.state.unordered, n.state.dirs, n.state.files, n.state.last = true, nil, nil, ""
	n.unordered = u
	_, err = u.add(names)
	return err
}

// gatheredNames are the names of the segment that has begun.
func (n *Numbering) gatheredNames() ([]Name, error) {
	names := make([]Name, 0, len(n.files))
	for k := range n.groups {
		var dir []string
		for g := k; g != 0; g = int(n.groups[g].parent) {
			dir = append(dir, n.groups[g].name)
		}
		slices.Reverse(dir)
		for f := n.groups[k].files; f != 0; f = n.files[f-1].next {
			f := &n.files[f-1]
			origin, err := JoinName(append(slices.Clip(dir), f.name))
			if err != nil {
				return nil, err
			}
			names = append(names, Name{origin, f.size, f.modTime, f.etag})
		}
	}
	return names, nil
}

func (u *unorderedNumbering) names() int {
	return int(u.s.Progress().Files-u.before.Files) + len(u.waiting)
}

// add adds names; as many as make a page worth sorting wait.
func (u *unorderedNumbering) add(names []Name) (taken int, err error) {
	for k := range names {
		u.waiting = append(u.waiting, names[k])
		u.bounds.Bound(names[k].Origin, !u.bounded)
		u.bounded = true
		u.bytes += int64(len(names[k].Origin)) + gatheredOverhead
		if len(u.waiting) == SortMost {
			if err := u.plan(); err != nil {
				return k, err
			}
		}
	}
	return len(names), nil
}

// plan has the names that wait be numbered.
func (u *unorderedNumbering) plan() error {
	names := u.waiting
	u.pl.Sort(names)
	u.s.tap = func(batch *pebble.Batch) error { return u.tapped(batch) }
	defer func() { u.s.tap = nil }()
	for len(names) > 0 {
		page, err := u.pl.Plan(names[:min(len(names), MaxPage)])
		if err != nil {
			return err
		}
		// No name may get two numbers: others work with the first.
		page.careful = page.careful || !page.vouched
		err = page.Commit()
		u.skipped += page.Skipped()
		if err = errors.Join(err, page.Close()); err != nil {
			return err
		}
		names = names[min(len(names), MaxPage):]
	}
	clear(u.waiting)
	u.waiting = u.waiting[:0]
	return nil
}

// tapped keeps what a commit writes of names.
func (u *unorderedNumbering) tapped(batch *pebble.Batch) error {
	for r := batch.Reader(); ; {
		kind, key, value, ok, err := r.Next()
		if err != nil || !ok {
			return err
		}
		if kind != pebble.InternalKeyKindSet || len(key) == 0 || key[0] != keyEntry && key[0] != keyRun && key[0] != keyRunIndex {
			continue
		}
		kv := keyValue{slices.Clone(key), slices.Clone(value)}
		of, err := u.kindOf(&kv)
		if err != nil {
			return err
		}
		u.records[of] = append(u.records[of], kv)
		u.bytes += int64(len(key) + len(value))
	}
}

// kindOf returns of which kind the names are that a record is of. The entries of directories
// get the time of the mirror.
func (u *unorderedNumbering) kindOf(kv *keyValue) (Kind, error) {
	switch kv.key[0] {
	case keyRun:
		r, err := decodeRun(kv.value)
		return r.kind, err
	case keyRunIndex:
		index, err := decodeRunIndex(kv.value)
		if index.mark == markDirs {
			return Dir, err
		}
		return File, err
	}
	e, err := decodeEntry(kv.value)
	switch {
	case e.Kind == Dir:
		e.Fetched = u.n.state.made
		kv.value = appendEntryHead(nil, &e)
	case e.Size >= 0:
		u.promised++
	}
	return e.Kind, err
}

// finish is Numbering.Finish.
func (u *unorderedNumbering) finish() (*NameTables, error) {
	if err := u.plan(); err != nil {
		return nil, err
	}
	now := u.s.Progress()
	t := &NameTables{Counts: NameCounts{First: u.first, Files: now.Files - u.before.Files, Dirs: now.Dirs - u.before.Dirs, Skipped: u.skipped}}
	promised := spares(u.promised, len(u.records[Dir])+len(u.records[File]) > 0)
	spare, err := u.s.reserve(int(promised))
	if err != nil {
		return nil, err
	}
	t.Counts.Spare, t.Counts.End = spare, spare+Inode(promised)
	t.Counts.MinName, t.Counts.MaxName = u.bounds.MinName, u.bounds.MaxName
	if t.Dirs, t.DirsSum, err = tableFrom(u.records[Dir]); err != nil {
		return nil, err
	}
	if t.Files, t.FilesSum, err = tableFrom(u.records[File]); err != nil {
		return nil, err
	}
	dirs, err := u.context(t)
	if err != nil {
		return nil, err
	}
	if t.Context, t.ContextSum, err = contextTable(dirs); err != nil {
		return nil, err
	}
	u.n.state.next = t.Counts.End
	*u = unorderedNumbering{n: u.n, s: u.s, pl: u.pl, first: t.Counts.End, before: now, waiting: u.waiting, records: map[Kind][]keyValue{}}
	return t, nil
}

// context returns the directories that earlier segments have, and notes where the entries
// stand. The records are sorted.
func (u *unorderedNumbering) context(t *NameTables) (dirs []contextDir, err error) {
	seen := map[Inode]bool{RootInode: true}
	for kind, records := range u.records {
		keys := t.Counts.keys(kind)
		for _, r := range records {
			dir, _, ok := splitEntryKey(r.key)
			if !ok {
				break // entries come first
			}
			if keys.Min == nil {
				keys.Min = slices.Clone(r.key)
			}
			keys.Max = r.key
			for !seen[dir] {
				seen[dir] = true
				up, name, err := u.s.locate(dir)
				if err != nil {
					return nil, err
				}
				if dir < u.first {
					dirs = append(dirs, contextDir{up, dir, name, u.n.state.made})
				}
				dir = up
			}
		}
	}
	return dirs, nil
}
