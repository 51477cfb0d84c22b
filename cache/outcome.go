package cache

import (
	"bytes"
	"context"
	"errors"
)

// IngestOutcome brings in what became of the files of the segment whose numbers begin at
// first, as c counts them: which are gone, which failed, and which turned out to be another
// than was listed, so that they have a spare number. Contents come behind it. It does
// nothing where that is here. The error is ErrNotFound where the segment's names are not,
// or ErrTable.
func (s *Store) IngestOutcome(ctx context.Context, first Inode, t Table, c ContentCounts) error {
	s.ingesting.Lock()
	defer s.ingesting.Unlock()
	seg, err := s.segment(first)
	if err != nil || seg.Outcome != nil {
		return err
	}
	return s.ingest(first, func(g *ingestion) error {
		o := &outcomeCheck{s: s, seg: &seg, c: &cursor{db: s.db}, gone: map[Inode]bool{}, replaced: map[Inode]replacement{}, indexes: map[Inode]Inode{}}
		err := eachRecord(ctx, t, func(key, value []byte) error {
			if err := o.record(key, value); err != nil {
				return err
			}
			return g.set(key, value)
		})
		if err = errors.Join(err, o.c.close()); err == nil {
			err = o.end(&c)
		}
		if err != nil {
			return err
		}
		seg.Outcome = &c
		s.commit.Lock()
		defer s.commit.Unlock()
		next := s.commit.progress
		next.Gone += c.Gone
		next.Failed += c.Failed
		next.Changed += c.Replaced
		if err := g.applyLocked(ctx, next, &seg); err != nil {
			return err
		}
		s.runs.purge()
		return nil
	})
}

// replacement is a file that has a spare number.
type replacement struct {
	was  Inode
	hash uint64 // its entryHash
	run  bool   // it has one
}

// outcomeCheck checks a table of outcomes against the names that the store has.
type outcomeCheck struct {
	s   *Store
	seg *Segment
	c   *cursor
	// gone are the numbers that lose their names in runs: those of files that are gone, and
	// the first ones of those in replaced, which has them by their new ones.
	gone     map[Inode]bool
	replaced map[Inode]replacement
	indexes  map[Inode]Inode // directories, by the first numbers of their runs
	holes    int
	failed   uint64
	buf      []byte
}

func (o *outcomeCheck) record(key, value []byte) error {
	switch key[0] {
	case keyEntry:
		return o.entry(key, value)
	case keyFailed:
		return o.failure(key, value)
	case keyRunIndex:
		return o.index(key, value)
	case keyRun:
		return o.run(key, value)
	}
	return errTable("an outcome has a key %q", key)
}

// listedIn returns the entry that the store has under a key, which is to be of a file of the
// segment.
func listedIn(c *cursor, seg *Segment, key []byte) (Entry, error) {
	parent, name, ok := splitEntryKey(key)
	if !ok {
		return Entry{}, errTable("the entry %q does not decode", key)
	}
	raw, e, err := c.entry(parent, string(name))
	if err != nil {
		return Entry{}, err
	}
	if raw == nil || e.Kind != File || e.Inode < seg.Names.First || e.Inode >= seg.Names.End {
		return Entry{}, errTable("the segment has no file %q of directory %d", name, parent)
	}
	return e, nil
}

func (o *outcomeCheck) entry(key, value []byte) error {
	parent, name, _ := splitEntryKey(key)
	was, err := listedIn(o.c, o.seg, key)
	if err != nil {
		return err
	}
	e, err := decodeEntry(value)
	if err != nil || e.Kind != File {
		return errTable("the entry %q of directory %d does not decode", name, parent)
	}
	if o.buf = appendEntryHead(o.buf[:0], &e); !bytes.Equal(o.buf, value) || len(e.ETag) > maxETag {
		return errTable("the entry %q of directory %d is written oddly", name, parent)
	}
	switch n := &o.seg.Names; {
	case e.State == Gone && e.Inode == was.Inode && e.Inode < n.Spare:
		o.gone[e.Inode] = true
		return nil
	case e.State == Pending && was.Inode < n.Spare && e.Inode >= n.Spare && e.Inode < n.End && o.replaced[e.Inode].was == 0:
		o.replaced[e.Inode] = replacement{was: was.Inode, hash: entryHash(parent, name, e.Inode, File)}
		o.gone[was.Inode] = true
		return nil
	}
	return errTable("the entry %q of directory %d, %d, is to be %d", name, parent, was.Inode, e.Inode)
}

func (o *outcomeCheck) failure(key, value []byte) error {
	ino, ok := splitInodeKey(key)
	f, err := decodeFailure(value)
	n := &o.seg.Names
	_, spare := o.replaced[ino]
	if !ok || err != nil || len(f.Name) > MaxName || len(f.Reason) > maxReason || o.gone[ino] || !spare && (ino < n.First || ino >= n.Spare) {
		return errTable("the record of failure %q does not decode", key)
	}
	if o.buf = f.append(o.buf[:0]); !bytes.Equal(o.buf, value) {
		return errTable("the record of failure of %d is written oddly", ino)
	}
	e, err := o.s.Get(ino)
	if !spare && (err != nil || e.State != Pending) {
		return errTable("what failed, %d, is no file", ino)
	}
	o.failed++
	return nil
}

func (o *outcomeCheck) index(key, value []byte) error {
	first, ok := splitInodeKey(key)
	index, err := decodeRunIndex(value)
	if _, spare := o.replaced[first]; !ok || err != nil || !spare || index.mark != 0 {
		return errTable("the index %q does not decode", key)
	}
	o.indexes[first] = index.parent
	return nil
}

func (o *outcomeCheck) run(key, value []byte) error {
	parent, first, ok := splitRunKey(key)
	r, err := decodeRun(value)
	if !ok || err != nil || r.kind != File || r.n > MaxPage {
		return errTable("the run %q does not decode", key)
	}
	if o.buf, err = canonicalRun(o.buf[:0], &r); err != nil || !bytes.Equal(o.buf, value) {
		return errTable("run %d of directory %d is written oddly", first, parent)
	}
	names, err := (&cachedRun{run: r}).names()
	if err != nil {
		return err
	}
	if spare, ok := o.replaced[first]; ok {
		if len(names) != 1 || spare.run || spare.hash != entryHash(parent, []byte(names[0]), first, File) || o.indexes[first] != parent {
			return errTable("run %d of directory %d is not that of what was replaced", first, parent)
		}
		spare.run = true
		o.replaced[first] = spare
		return nil
	}
	was, err := o.s.loadRun(parent, first)
	if err != nil || first < o.seg.Names.First || first >= o.seg.Names.Spare || was.n != r.n || was.kind != File {
		return errTable("there is no run %d of directory %d: %v", first, parent, err)
	}
	before, err := was.names()
	if err != nil {
		return err
	}
	for k, name := range names {
		switch gone := o.gone[first+Inode(k)]; {
		case name == before[k] && !gone:
		case name == "" && before[k] != "" && gone:
			o.holes++
		default:
			return errTable("%q, %d of directory %d, is to be %q", before[k], first+Inode(k), parent, name)
		}
	}
	return nil
}

func (o *outcomeCheck) end(c *ContentCounts) error {
	for ino, r := range o.replaced {
		if !r.run {
			return errTable("what was replaced, %d, is in no run", ino)
		}
	}
	gone := uint64(len(o.gone) - len(o.replaced))
	if o.holes != len(o.gone) || len(o.indexes) != len(o.replaced) || gone != c.Gone || uint64(len(o.replaced)) != c.Replaced || o.failed != c.Failed {
		return errTable("an outcome of %d gone, %d replaced and %d failed files, %d of them in runs, should be %d, %d and %d",
			gone, len(o.replaced), o.failed, o.holes, c.Gone, c.Replaced, c.Failed)
	}
	if sum := c.Fetched + c.Gone + c.Failed; sum != o.seg.Names.Files || c.Blobs > c.Fetched {
		return errTable("an outcome of %d files is of a segment that has %d", sum, o.seg.Names.Files)
	}
	return nil
}
