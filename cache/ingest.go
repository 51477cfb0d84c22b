package cache

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Segment is what a store has of a segment.
type Segment struct {
	Names NameCounts `json:"names"`
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

// IngestNames brings the names of a segment in, whose head says c: its files are then
// Pending. It does nothing where they are here. Segments may come in any order. The error
// is ErrTable where the table is not what c says or cannot be right, and then nothing
// has changed.
func (s *Store) IngestNames(ctx context.Context, t Table, c NameCounts) error {
	s.ingesting.Lock()
	defer s.ingesting.Unlock()
	switch seg, err := s.lastSegment(c.First, c.End); {
	case err == nil && seg.Names.First == c.First && seg.Names.End == c.End:
		return nil
	case err == nil:
		return errTable("its numbers are those of another segment")
	case !errors.Is(err, ErrNotFound):
		return err
	}
	return s.ingest(c.First, func(g *ingestion) error {
		if err := checkNames(ctx, t, c, nil, g.set); err != nil {
			return err
		}
		s.commit.Lock()
		defer s.commit.Unlock()
		next := s.commit.progress
		next.Files += c.Files
		next.Dirs += c.Dirs
		next.Skipped += c.Skipped
		next.Next = max(next.Next, c.End)
		next.Listed = next.Next
		if err := g.applyLocked(ctx, next, &Segment{Names: c}); err != nil {
			return err
		}
		// The new names are in no filter.
		s.conflicts.forget()
		return nil
	})
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

// checkNames checks a table of names, and calls set for each of its keys as it comes: it
// may be found wrong after some.
func checkNames(ctx context.Context, t Table, c NameCounts, strangers func(dir Inode) error, set func(key, value []byte) error) error {
	check, err := newNameCheck(c, t.Size, strangers)
	if err != nil {
		return err
	}
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
