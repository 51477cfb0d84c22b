package replica

import (
	"bytes"
	"fmt"
	"sync/atomic"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/segments"
)

// segment is a sealed segment, and what of it is here.
type segment struct {
	segments.Sealed

	// dirs: its directories are here. names: its files are too, and what became of them.
	dirs, names atomic.Bool
	// parts are the tables of contents that are here. The first is the outcome, which comes with
	// the names.
	parts []atomic.Bool
	// used is the tick at which it was last read, and brought that at which something of it
	// came last.
	used, brought atomic.Uint64
	// demanded is how many readers wait for something of it.
	demanded atomic.Int64
	// blobs is how long the blob files are that are here, in bytes, also where no part is.
	blobs atomic.Int64
}

// checkSealed reports what is wrong with what a manifest says of a segment alone, beside what
// package segments looks at.
func checkSealed(s *segments.Sealed) error {
	p, c := &s.Part, &s.Counts
	if n := p.End - p.First; n > cache.MaxNumbers {
		return untrue("segment %d has %d numbers", s.Seq, n)
	}
	if c.Fetched > p.Files || c.Gone > p.Files || c.Failed > p.Files || c.Blobs > c.Fetched || c.Fetched+c.Gone+c.Failed != p.Files {
		return untrue("of %d files of segment %d, %d are fetched, %d are gone and %d failed", p.Files, s.Seq, c.Fetched, c.Gone, c.Failed)
	}
	return nil
}

func newSegment(s segments.Sealed) *segment {
	return &segment{Sealed: s, parts: make([]atomic.Bool, len(s.Tables))}
}

// partOf returns which table has the content of an entry, 0 where that is not known.
func (s *segment) partOf(parent cache.Inode, name string) int {
	if len(s.Tables) == 2 {
		return 1
	}
	key := cache.EntryKey(parent, name)
	for k := 1; k < len(s.Tables); k++ {
		switch {
		case len(s.Tables[k].Last) == 0:
			return 0
		case bytes.Compare(key, s.Tables[k].Last) <= 0:
			return k
		}
	}
	return 0
}

// here reports whether a table of contents is here, or with 0 whether all are.
func (s *segment) here(part int) bool {
	if part > 0 {
		return s.parts[part].Load()
	}
	for k := 1; k < len(s.parts); k++ {
		if !s.parts[k].Load() {
			return false
		}
	}
	return true
}

// size is how long its contents are that are here, or else all of them, blobs left out, in
// bytes as they are stored.
func (s *segment) size(hereAlone bool) (n int64) {
	for k := 1; k < len(s.Tables); k++ {
		if !hereAlone || s.parts[k].Load() {
			n += s.Tables[k].Size
		}
	}
	return n
}

// local is how much of the local store's bound it takes, in bytes.
func (s *segment) local() int64 { return s.blobs.Load() + s.size(true) }

// freed notes that blobs are not here any more, of so many bytes. Those of a shard that was not
// walked yet are not in the count.
func (s *segment) freed(bytes int64) {
	for {
		n := s.blobs.Load()
		if s.blobs.CompareAndSwap(n, max(0, n-bytes)) {
			return
		}
	}
}

func untrue(format string, args ...any) error {
	return fmt.Errorf("%w: %s", segments.ErrBad, fmt.Sprintf(format, args...))
}
