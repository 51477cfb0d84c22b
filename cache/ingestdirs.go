package cache

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"errors"
	"slices"
)

// SegmentDirs is the table of the directories of a segment, whose head says Counts.
type SegmentDirs struct {
	Table
	Counts NameCounts
}

// IngestDirs brings the directories of segments in, all of them or none: what is here before their
// files are. It does nothing for those that are here. Many at once cost little more than one; it
// takes tableBuffer bytes of memory for each, or what its table has. Segments may come in
// any order. The error is ErrTable where a table is not what its head says or cannot be right.
func (s *Store) IngestDirs(ctx context.Context, all ...SegmentDirs) error {
	s.ingesting.Lock()
	defer s.ingesting.Unlock()
	m := &dirMerge{ctx: ctx, newcomers: newcomers{s: s}}
	for k := range all {
		switch seg, here, err := s.known(&all[k].Counts); {
		case err != nil:
			return err
		case !here:
			m.segs = append(m.segs, &seg)
			m.tables = append(m.tables, &all[k])
		}
	}
	if len(m.segs) == 0 {
		return nil
	}
	slices.SortFunc(m.segs, func(a, b *Segment) int { return cmp.Compare(a.Names.First, b.Names.First) })
	for k, seg := range m.segs[1:] {
		if m.segs[k].Names.End > seg.Names.First {
			return errTable("its numbers are those of another segment")
		}
	}
	return s.ingest(m.segs[0].Names.First, func(g *ingestion) error {
		if err := errors.Join(m.merge(g.set), m.newcomers.close()); err != nil {
			return err
		}
		s.commit.Lock()
		defer s.commit.Unlock()
		next := s.commit.progress
		for _, seg := range m.segs {
			next.Dirs += seg.Names.Dirs
			next.Next = max(next.Next, seg.Names.End)
		}
		next.Listed = next.Next
		if err := g.applyLocked(ctx, next, m.segs...); err != nil {
			return err
		}
		s.conflicts.forget() // the new names are in no filter
		return nil
	})
}

// dirMerge goes through tables of directories in the order of their keys together. It is a heap of
// those that have more.
type dirMerge struct {
	ctx       context.Context
	segs      []*Segment
	tables    []*SegmentDirs
	streams   []*dirStream
	newcomers newcomers
	last      []byte
}

type dirStream struct {
	r     *tableReader
	check *nameCheck
}

func (m *dirMerge) merge(set func(key, value []byte) error) error {
	for _, t := range m.tables {
		check, err := newNameCheck(t.Counts, Dir, nil, nil)
		if err != nil {
			return err
		}
		stream := &dirStream{r: newTableReader(t.Table), check: check}
		if more, err := stream.next(); err != nil {
			return err
		} else if more {
			m.streams = append(m.streams, stream)
		}
	}
	heap.Init(m)
	for n := 1; len(m.streams) > 0; n++ {
		top := m.streams[0]
		if err := m.record(top, set); err != nil {
			return err
		}
		if more, err := top.next(); err != nil {
			return err
		} else if more {
			heap.Fix(m, 0)
		} else {
			heap.Pop(m)
		}
		if n&0xfff == 0 && m.ctx.Err() != nil {
			return context.Cause(m.ctx)
		}
	}
	return nil
}

func (m *dirMerge) record(from *dirStream, set func(key, value []byte) error) error {
	key, value := from.r.key, from.r.value
	if err := from.check.record(key, value); err != nil {
		return err
	}
	if bytes.Equal(key, m.last) {
		return errTable("two segments have the key %q", key)
	}
	m.last = append(m.last[:0], key...)
	if err := m.newcomers.check(key); err != nil {
		return err
	}
	return set(key, value)
}

// next moves to the next record; false: that was the last, and the table is right.
func (d *dirStream) next() (more bool, err error) {
	if more, err = d.r.next(); err == nil && !more {
		err = d.check.end()
	}
	return more, err
}

func (m *dirMerge) Len() int { return len(m.streams) }

func (m *dirMerge) Less(i, j int) bool {
	return bytes.Compare(m.streams[i].r.key, m.streams[j].r.key) < 0
}

func (m *dirMerge) Swap(i, j int) { m.streams[i], m.streams[j] = m.streams[j], m.streams[i] }

// Push is for heap.Interface; nothing is pushed.
func (m *dirMerge) Push(any) {}

// Pop is for heap.Interface.
func (m *dirMerge) Pop() any {
	end := len(m.streams) - 1
	last := m.streams[end]
	m.streams[end] = nil
	m.streams = m.streams[:end]
	return last
}
