package replica

import (
	"cmp"
	"math"
	"slices"
	"sync"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/segments"
)

// catalog is what is known of a mirror: its sealed segments, in the order of their sequence
// numbers, which is that of their inode numbers. It does not change; its segments' states do.
type catalog struct {
	segs []*segment
	// next is the number of the manifest that comes next.
	next     uint64
	complete bool
	whole    wholeDirs
}

// wholeDirs are directories of which nothing lacks behind a number: as names stay, that is so for as
// long as the catalog is. A directory is read in many pieces, and all segments were looked at for each.
type wholeDirs struct {
	mu   sync.Mutex
	from map[cache.Inode]cache.Inode // at most maxWhole
}

// maxWhole bounds wholeDirs, at some 40 bytes each.
const maxWhole = 4096

func (w *wholeDirs) has(dir, after cache.Inode) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	from, known := w.from[dir]
	return known && from <= after
}

func (w *wholeDirs) add(dir, after cache.Inode) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if from, known := w.from[dir]; known && from <= after {
		return
	}
	if w.from == nil || len(w.from) >= maxWhole {
		w.from = map[cache.Inode]cache.Inode{}
	}
	w.from[dir] = after
}

// with returns the catalog after more segments are sealed. The error is segments.ErrBad where they
// contradict themselves or what is known.
func (c *catalog) with(news []segments.Sealed, next uint64, complete bool) (*catalog, error) {
	n := &catalog{segs: slices.Clone(c.segs), next: next, complete: complete}
	for k := range news {
		if err := checkSealed(&news[k]); err != nil {
			return nil, err
		}
		n.segs = append(n.segs, newSegment(news[k]))
	}
	slices.SortFunc(n.segs, func(a, b *segment) int { return cmp.Compare(a.Seq, b.Seq) })
	return n, n.check()
}

// check reports where the segments do not fit together.
func (c *catalog) check() error {
	for k, s := range c.segs {
		switch {
		case k > 0 && c.segs[k-1].Seq == s.Seq:
			return untrue("segment %d is there twice", s.Seq)
		case k > 0 && c.segs[k-1].Part.End > s.Part.First:
			return untrue("segments %d and %d have the same numbers", c.segs[k-1].Seq, s.Seq)
		case c.complete && s.Seq != uint64(k):
			return untrue("the mirror is complete, but segment %d is not sealed", k)
		}
	}
	return nil
}

// unknownTo returns the segments that are not in another catalog, one of before.
func (c *catalog) unknownTo(other *catalog) []*segment {
	var news []*segment
	for _, s := range c.segs {
		if other.bySeq(s.Seq) == nil {
			news = append(news, s)
		}
	}
	return news
}

// bySeq returns a segment by its sequence number, nil where it is not sealed.
func (c *catalog) bySeq(seq uint64) *segment {
	k, ok := slices.BinarySearchFunc(c.segs, seq, func(s *segment, seq uint64) int { return cmp.Compare(s.Seq, seq) })
	if !ok {
		return nil
	}
	return c.segs[k]
}

// after returns where the first segment stands that has numbers over ino.
func (c *catalog) after(ino cache.Inode) int {
	low, high := 0, len(c.segs)
	for low < high {
		if mid := int(uint(low+high) / 2); c.segs[mid].Part.End <= ino+1 {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// of returns the segment that ino is a number of, nil where there is none.
func (c *catalog) of(ino cache.Inode) *segment {
	if ino == 0 || ino == math.MaxUint64 {
		return nil
	}
	k := c.after(ino - 1)
	if k == len(c.segs) || c.segs[k].Part.First > ino {
		return nil
	}
	return c.segs[k]
}
