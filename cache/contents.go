package cache

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// IngestContents brings in a table of contents of the segment whose numbers begin at first,
// after its outcome: the part-th, from 1 on. It does nothing where that is here. The
// error is ErrNotFound where the outcome is not, or ErrTable. A content in a blob file is
// not in it; see BlobMissingError.
func (s *Store) IngestContents(ctx context.Context, first Inode, part int, t Table) error {
	s.ingesting.Lock()
	defer s.ingesting.Unlock()
	seg, err := s.segment(first)
	if err != nil {
		return err
	}
	if _, here := seg.Parts[part]; here {
		return nil
	}
	if seg.Outcome == nil || part < 1 {
		return errors.Join(ErrNotFound, errTable("contents come after the outcome of a segment"))
	}
	return s.ingest(first, func(g *ingestion) error {
		o := &contentCheck{s: s, seg: &seg, c: &cursor{db: s.db}}
		err := eachRecord(ctx, t, func(key, value []byte) error {
			if err := o.entry(key, value); err != nil {
				return err
			}
			return g.set(key, value)
		})
		if err = errors.Join(err, o.c.close()); err != nil {
			return err
		}
		if seg.Parts == nil {
			seg.Parts = map[int]SegmentPart{}
		}
		if seg.overlaps(&o.part) {
			return errTable("its contents lie among those of another part")
		}
		seg.Parts[part] = o.part
		all := SegmentPart{}
		for _, p := range seg.Parts {
			all.Fetched += p.Fetched
			all.Bytes += p.Bytes
		}
		if all.Fetched > seg.Outcome.Fetched || all.Bytes > seg.Outcome.Bytes {
			return errTable("its contents are more than was said")
		}
		s.commit.Lock()
		defer s.commit.Unlock()
		next := s.commit.progress
		next.Fetched += o.part.Fetched
		next.Bytes += o.part.Bytes
		return g.applyLocked(ctx, next, &seg)
	})
}

// contentCheck checks a table of contents.
type contentCheck struct {
	s    *Store
	seg  *Segment
	c    *cursor
	part SegmentPart
	buf  []byte
}

func (o *contentCheck) entry(key, value []byte) error {
	if key[0] != keyEntry {
		return errTable("contents have a key %q", key)
	}
	was, err := listedIn(o.c, o.seg, key)
	if err != nil {
		return err
	}
	parent, name, _ := splitEntryKey(key)
	e, err := decodeEntry(value)
	if err != nil || !e.Here() || e.Kind != File || len(e.Content) > maxInlineLimit {
		return errTable("the content of %q of directory %d does not decode", name, parent)
	}
	o.buf = appendEntryHead(o.buf[:0], &e)
	if len(o.buf)+len(e.Content) != len(value) || !bytes.HasPrefix(value, o.buf) || len(e.ETag) > maxETag || e.State == Blob && e.blob != uint64(e.Inode) {
		return errTable("the entry %q of directory %d is written oddly", name, parent)
	}
	failed := false
	if o.seg.Outcome.Failed > 0 {
		if failed, err = o.s.hasRecord(e.Inode); err != nil {
			return err
		}
	}
	if e.Inode != was.Inode || was.State != Pending || failed || !was.Keeps(e.Size, e.ModTime, []byte(e.ETag)) {
		return errTable("the content of %q of directory %d, %d, is not that of %d", name, parent, e.Inode, was.Inode)
	}
	if o.part.Min == nil {
		o.part.Min = slices.Clone(key)
	}
	o.part.Max = append(o.part.Max[:0], key...)
	o.part.Fetched++
	o.part.Bytes += uint64(e.Size)
	return nil
}

// TakeBack takes the contents of a part back, so that they are as if they had never come, but
// that their lengths stay known. It does nothing where they are not here. Blob files go
// too; freed is how long those were, in bytes, also where others could not be removed.
func (s *Store) TakeBack(ctx context.Context, first Inode, part int) (freed int64, err error) {
	s.ingesting.Lock()
	defer s.ingesting.Unlock()
	seg, err := s.segment(first)
	if err != nil {
		return 0, err
	}
	p, here := seg.Parts[part]
	if !here {
		return 0, nil
	}
	type blob struct{ id, size uint64 }
	var blobs []blob
	err = s.ingest(first, func(g *ingestion) error {
		var n SegmentPart
		if p.Fetched > 0 {
			if err := s.eachEntry(p.Min, p.Max, func(key []byte, e *Entry) error {
				if !e.Here() || e.Kind == Dir || e.Inode < seg.Names.First || e.Inode >= seg.Names.End {
					return nil
				}
				if e.State == Blob {
					blobs = append(blobs, blob{e.blob, uint64(e.Size)})
				}
				n.Fetched++
				n.Bytes += uint64(e.Size)
				// What was shown of it stays promised; see Entry.Promised.
				stub := Entry{Inode: e.Inode, State: Pending, Size: e.Size, ModTime: cmp.Or(e.ModTime, e.Fetched), ETag: e.ETag}
				return g.set(key, appendEntryHead(nil, &stub))
			}); err != nil {
				return err
			}
		}
		if n.Fetched != p.Fetched || n.Bytes != p.Bytes {
			return errors.Join(ErrCorrupt, errTable("part %d had %d contents, and has %d", part, p.Fetched, n.Fetched))
		}
		delete(seg.Parts, part)
		s.commit.Lock()
		defer s.commit.Unlock()
		next := s.commit.progress
		next.Fetched -= p.Fetched
		next.Bytes -= p.Bytes
		if err := g.applyLocked(ctx, next, &seg); err != nil {
			return err
		}
		s.entries.purge()
		return nil
	})
	if err != nil {
		return 0, err
	}
	var failed error // of many, one says why
	for _, b := range blobs {
		dropped, err := s.DropBlob(Inode(b.id))
		if dropped {
			freed += BlobLen(int64(b.size))
		}
		failed = cmp.Or(failed, err)
	}
	return freed, failed
}

// eachEntry calls fn for the entries with keys from from to to. What it is given is valid
// until it returns.
func (s *Store) eachEntry(from, to []byte, fn func(key []byte, e *Entry) error) error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: behind(to)})
	if err != nil {
		return storeError("read entries", err)
	}
	for valid := it.First(); valid && err == nil; valid = it.Next() {
		var value []byte
		var e Entry
		if value, err = it.ValueAndErr(); err == nil {
			e, err = decodeEntry(value)
		}
		if err == nil {
			err = fn(it.Key(), &e)
		}
	}
	return errors.Join(storeError("read entries", err), storeError("read entries", it.Error()), it.Close())
}
