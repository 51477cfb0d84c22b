package cache

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Segment is what a store has of a segment: its directories, where it has any, and what
// came behind them.
type Segment struct {
	Names NameCounts `json:"names"`
	// HasFiles says that its files are here too, if only as they were listed.
	HasFiles bool `json:"has_files,omitempty"`
	// Outcome is what became of its files, nil as long as that was not brought in.
	Outcome *ContentCounts `json:"outcome,omitempty"`
	// Parts are the tables of contents that are here, by their numbers from 1 on.
	Parts map[int]SegmentPart `json:"parts,omitempty"`
}

// SegmentPart is a table of contents.
type SegmentPart struct {
	Fetched uint64 `json:"fetched"` // files, and what their contents are long, in bytes
	Bytes   uint64 `json:"bytes"`
	Min     []byte `json:"min"` // the keys of the first and the last entry
	Max     []byte `json:"max"`
}

// overlaps reports whether there are contents of a part that is here among those of p, or the
// other way round: TakeBack could not tell them apart.
func (s *Segment) overlaps(p *SegmentPart) bool {
	for _, other := range s.Parts {
		if p.Fetched > 0 && other.Fetched > 0 && bytes.Compare(p.Min, other.Max) <= 0 && bytes.Compare(other.Min, p.Max) <= 0 {
			return true
		}
	}
	return false
}

func (s *Segment) encode() ([]byte, error) { return json.Marshal(s) }

func decodeSegment(value []byte) (Segment, error) {
	var s Segment
	if err := json.Unmarshal(value, &s); err != nil {
		return Segment{}, fmt.Errorf("%w: what is known of a segment does not decode: %w", ErrCorrupt, err)
	}
	return s, nil
}

func appendSegmentKey(dst []byte, first Inode) []byte {
	return binary.BigEndian.AppendUint64(append(dst, keySegment), uint64(first))
}

// Segments calls fn for the segments that the store has, in the order of their numbers,
// until it returns false.
func (s *Store) Segments(fn func(Segment) bool) error {
	err := eachKey(s.db, keySegment, "read segments", func(_, value []byte) error {
		seg, err := decodeSegment(value)
		if err == nil && !fn(seg) {
			err = errEnough
		}
		return err
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

var errEnough = errors.New("enough")

// SegmentOf returns the segment that has a number. The error is ErrNotFound where none has.
func (s *Store) SegmentOf(ino Inode) (Segment, error) { return s.lastSegment(ino, ino+1) }

// lastSegment returns the last segment that has a number from from on and below end. The
// error is ErrNotFound where none has.
func (s *Store) lastSegment(from, end Inode) (Segment, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keySegment}, UpperBound: appendSegmentKey(nil, end)})
	if err != nil {
		return Segment{}, storeError("find segment", err)
	}
	seg, err := Segment{}, fmt.Errorf("segment of inode %d: %w", from, ErrNotFound)
	if it.Last() {
		var value []byte
		var last Segment
		if value, err = it.ValueAndErr(); err == nil {
			last, err = decodeSegment(value)
		}
		if err == nil && from >= last.Names.End {
			err = fmt.Errorf("segment of inode %d: %w", from, ErrNotFound)
		} else {
			seg = last
		}
	}
	return seg, errors.Join(err, storeError("find segment", it.Error()), it.Close())
}

// segment returns the segment that begins at first.
func (s *Store) segment(first Inode) (Segment, error) {
	value, err := s.getString(appendSegmentKey(nil, first))
	if err != nil {
		return Segment{}, fmt.Errorf("segment from inode %d on: %w", first, err)
	}
	return decodeSegment([]byte(value))
}

// known returns what is here of the segment that c is of; false: nothing. The error is ErrTable
// where its numbers are those of another one, or not those of a segment.
func (s *Store) known(c *NameCounts) (seg Segment, here bool, err error) {
	if err := c.check(); err != nil {
		return Segment{}, false, err
	}
	switch seg, err = s.lastSegment(c.First, c.End); {
	case errors.Is(err, ErrNotFound):
		return Segment{Names: *c}, false, nil
	case err != nil:
		return Segment{}, false, err
	}
	was, err := json.Marshal(seg.Names)
	if err != nil {
		return Segment{}, false, err
	}
	is, err := json.Marshal(c)
	if err != nil {
		return Segment{}, false, err
	}
	if !bytes.Equal(was, is) {
		return Segment{}, false, errTable("its numbers are those of another segment")
	}
	return seg, true, nil
}

// IngestFiles brings the files of a segment in, whose head says c: they are then Pending. It
// does nothing where they are here. Segments may come in any order, but each after its
// directories, where it has any. The error is ErrNotFound where those are not here, or ErrTable
// where the table is not what c says or cannot be right; then nothing has changed.
func (s *Store) IngestFiles(ctx context.Context, t Table, c NameCounts) error {
	s.ingesting.Lock()
	defer s.ingesting.Unlock()
	seg, here, err := s.known(&c)
	switch {
	case err != nil || seg.HasFiles:
		return err
	case !here && c.Dirs > 0:
		return errors.Join(ErrNotFound, errTable("files come after the directories of a segment"))
	}
	dirs, err := s.dirsOf(&c)
	if err != nil {
		return err
	}
	return s.ingest(c.First, func(g *ingestion) error {
		n := &newcomers{s: s}
		err := checkFiles(ctx, t, c, dirs, nil, func(key, value []byte) error {
			if err := n.check(key); err != nil {
				return err
			}
			return g.set(key, value)
		})
		if err = errors.Join(err, n.close()); err != nil {
			return err
		}
		s.commit.Lock()
		defer s.commit.Unlock()
		next := s.commit.progress
		next.Files += c.Files
		next.Skipped += c.Skipped
		next.Next = max(next.Next, c.End)
		next.Listed = next.Next
		seg.HasFiles = true
		if err := g.applyLocked(ctx, next, &seg); err != nil {
			return err
		}
		// The new names are in no filter.
		s.conflicts.forget()
		return nil
	})
}

// dirsOf returns the directories of a segment whose files are not here.
func (s *Store) dirsOf(c *NameCounts) (*numberSet, error) {
	dirs, n := newNumberSet(c.First, c.Spare), uint64(0)
	if c.Dirs == 0 {
		return dirs, nil
	}
	for r, err := range s.eachRun(c.First, c.Spare) {
		if err != nil {
			return nil, err
		}
		if r.first < c.First { // of a segment before
			continue
		}
		for k := range r.n {
			dirs.add(r.first + Inode(k))
			n++
		}
	}
	if n != c.Dirs {
		return nil, fmt.Errorf("%w: the segment from inode %d on has %d directories, and should have %d", ErrCorrupt, c.First, n, c.Dirs)
	}
	return dirs, nil
}

// newcomers checks that no entry of a table is here under another number. It asks for them in their
// order, so that those of a listing in order cost a comparison each.
type newcomers struct {
	s    *Store
	it   *pebble.Iterator
	more bool // it stands on an entry, the first one that is here from what was asked for last on
}

func (n *newcomers) check(key []byte) error {
	if key[0] != keyEntry {
		return nil
	}
	begun := n.it != nil
	if !begun {
		var err error
		if n.it, err = n.s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyEntry}, UpperBound: []byte{keyEntry + 1}}); err != nil {
			return storeError("find entry", err)
		}
	}
	if !begun || n.more && bytes.Compare(n.it.Key(), key) < 0 {
		if n.more = n.it.SeekGE(key); !n.more {
			return storeError("find entry", n.it.Error())
		}
	}
	if n.more && bytes.Equal(n.it.Key(), key) {
		parent, name, _ := splitEntryKey(key)
		return errTable("the name %q of directory %d is one of another segment", name, parent)
	}
	return nil
}

func (n *newcomers) close() error {
	if n.it == nil {
		return nil
	}
	return n.it.Close()
}

// ingest does fn with an ingestion, of which nothing is left behind.
func (s *Store) ingest(first Inode, fn func(*ingestion) error) error {
	g, err := s.newIngestion(first)
	if err != nil {
		return err
	}
	err = fn(g)
	return errors.Join(err, g.close())
}

// checkFiles checks the table of a segment's files, whose directories are dirs, and calls set for
// each of its keys as it comes: it may be found wrong after some.
func checkFiles(ctx context.Context, t Table, c NameCounts, dirs *numberSet, strangers func(dir Inode) error, set func(key, value []byte) error) error {
	check, err := newNameCheck(c, File, dirs, strangers)
	if err != nil {
		return err
	}
	return checkNames(ctx, t, check, set)
}

func checkNames(ctx context.Context, t Table, check *nameCheck, set func(key, value []byte) error) error {
	if err := eachRecord(ctx, t, func(key, value []byte) error {
		if err := check.record(key, value); err != nil {
			return err
		}
		return set(key, value)
	}); err != nil {
		return err
	}
	return check.end()
}

// eachRecord calls fn for each key of a table; that its sum is right turns out at the end.
func eachRecord(ctx context.Context, t Table, fn func(key, value []byte) error) error {
	r := newTableReader(t)
	for n := 1; ; n++ {
		ok, err := r.next()
		if err != nil || !ok {
			return err
		}
		if err := fn(r.key, r.value); err != nil {
			return err
		}
		if n&0xfff == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// EndListing says that all segments have been brought in: the listing is complete.
func (s *Store) EndListing() error {
	return s.Advance(Mark{Listing: true, ListingComplete: true})
}
