package segments

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/motefs/motefs/mirror/objects"
)

// Index is what the manifests of a mirror say together. Its zero value knows none.
type Index struct {
	// Next is the number of the manifest that comes next.
	Next uint64
	// Complete says that no manifest comes any more.
	Complete bool
	// Segments are the sealed ones, in the order of their numbers.
	Segments []Sealed
}

// Sealed returns what is known of a segment, nil where it is not sealed.
func (x *Index) Sealed(seq uint64) *Sealed {
	i, found := slices.BinarySearchFunc(x.Segments, seq, func(s Sealed, seq uint64) int { return cmp.Compare(s.Seq, seq) })
	if !found {
		return nil
	}
	return &x.Segments[i]
}

// Add takes a manifest, which is the next one. A segment that is sealed already is an error
// that wraps ErrBad.
func (x *Index) Add(m *Manifest) error {
	what := ManifestName(m.Number)
	if m.Number != x.Next || m.Full || x.Complete {
		return bad(what, "it does not follow %d, complete %v", x.Next, x.Complete)
	}
	for i := range m.Segments {
		if x.Sealed(m.Segments[i].Seq) != nil {
			return bad(what, "segment %d was sealed before", m.Segments[i].Seq)
		}
	}
	sorts := len(x.Segments) > 0 && len(m.Segments) > 0 && m.Segments[0].Seq < x.Segments[len(x.Segments)-1].Seq
	x.Segments = append(x.Segments, m.Segments...)
	if sorts {
		slices.SortFunc(x.Segments, func(a, b Sealed) int { return cmp.Compare(a.Seq, b.Seq) })
	}
	x.Next, x.Complete = m.Number+1, m.Complete
	if x.Complete {
		return x.whole(what)
	}
	return nil
}

// whole checks that a complete mirror has each segment from the first on.
func (x *Index) whole(what string) error {
	for i := range x.Segments {
		if x.Segments[i].Seq != uint64(i) {
			return bad(what, "it is complete without segment %d", i)
		}
	}
	return nil
}

// Follow brings x up to what the manifests say now, and returns the segments that are new
// to it, in no order. Where x is far behind, the newest full manifest takes its place. The
// error may leave x further than it was; it is sound all the same.
func (r Reader) Follow(ctx context.Context, x *Index) (news []Sealed, err error) {
	n, err := r.Newer(ctx, x.Next)
	if err != nil {
		return nil, err
	}
	return r.Read(ctx, x, n)
}

// Newer are the manifests that there are from one on.
type Newer struct {
	next, full, end uint64
}

// None reports whether there are none.
func (n Newer) None() bool { return n.end == n.next }

// Newer looks which manifests there are from next on, and reads none.
func (r Reader) Newer(ctx context.Context, next uint64) (n Newer, err error) {
	n.next = next
	n.full, n.end, err = r.newest(ctx, next)
	return n, err
}

// Read is Follow for who has asked for what is newer than x.Next.
func (r Reader) Read(ctx context.Context, x *Index, n Newer) (news []Sealed, err error) {
	if n.full > x.Next+fullWorth {
		if news, err = r.jump(ctx, x, n.full-1); err != nil {
			return nil, err
		}
	}
	for x.Next < n.end {
		m, err := r.Manifest(ctx, x.Next, false)
		if err != nil {
			return news, err
		}
		if err := x.Add(&m); err != nil {
			return news, err
		}
		news = append(news, m.Segments...)
	}
	return news, nil
}

// fullWorth is how many manifests are read one by one rather than a full one.
const fullWorth = 8

// newest returns one more than the numbers of the newest full manifest and of the newest, of
// those from next on; 0 and next where there is none.
func (r Reader) newest(ctx context.Context, next uint64) (full, end uint64, err error) {
	gap := true
	for try := 0; gap && try < 2; try++ { // one that is written while it is listed may be left out, and the next not
		if full, end, gap, err = r.numbers(ctx, next); err != nil {
			return 0, 0, err
		}
	}
	if gap {
		return 0, 0, bad(ManifestName(end), "there are later ones, but not this")
	}
	return full, end, nil
}

// numbers is newest by one listing. With gap it lacks the manifest end, and has later ones.
func (r Reader) numbers(ctx context.Context, next uint64) (full, end uint64, gap bool, err error) {
	after := ""
	if next > 0 {
		after = FullName(next - 1)
	}
	end = next
	err = r.Store.List(ctx, ManifestsPrefix, after, func(i objects.Info) bool {
		n, isFull, ok := ParseSeq(ManifestsPrefix, i.Name)
		switch {
		case !ok:
		case isFull:
			full = n + 1
		case n == end:
			end++
		default:
			gap = true
		}
		return !gap
	})
	if err != nil {
		return 0, 0, false, fmt.Errorf("list %s: %w", ManifestsPrefix, err)
	}
	return full, end, gap || full > end, nil
}

// jump takes a full manifest.
func (r Reader) jump(ctx context.Context, x *Index, n uint64) (news []Sealed, err error) {
	m, err := r.Manifest(ctx, n, true)
	if err != nil {
		return nil, err
	}
	for i := range m.Segments {
		if x.Sealed(m.Segments[i].Seq) == nil {
			news = append(news, m.Segments[i])
		}
	}
	if len(news)+len(x.Segments) != len(m.Segments) {
		return nil, bad(FullName(n), "it lacks segments that were sealed before it")
	}
	*x = Index{Next: n + 1, Complete: m.Complete, Segments: m.Segments}
	if x.Complete {
		err = x.whole(FullName(n))
	}
	return news, err
}

// Complete reports whether the newest manifest says that the mirror is complete. It looks at those from
// from on, and returns from where on to look the next time.
func (r Reader) Complete(ctx context.Context, from uint64) (complete bool, next uint64, err error) {
	_, end, err := r.newest(ctx, from)
	if err != nil || end == 0 {
		return false, from, err
	}
	m, err := r.Manifest(ctx, end-1, false)
	return m.Complete, max(end-1, from), err
}

// Seal returns what a manifest says of a segment. The error is ErrBad where its commit is of other
// names, or counts what they have not.
func Seal(n *Names, headSize int64, c *Commit) (Sealed, error) {
	what := CommitName(c.Seq)
	switch files := c.Counts.Fetched + c.Counts.Gone + c.Counts.Failed; {
	case n.Seq != c.Seq || n.Attempt != c.Names:
		return Sealed{}, bad(what, "it is of the names %d-%s, and those are %d-%s", c.Seq, c.Names, n.Seq, n.Attempt)
	case files != n.Part.Files || max(c.Counts.Fetched, c.Counts.Gone, c.Counts.Failed) > files: // their sum may overflow
		return Sealed{}, bad(what, "it says what became of %d files, of %d", files, n.Part.Files)
	}
	return Sealed{
		Seq: n.Seq, Names: n.Attempt, HeadSize: headSize, NameSizes: n.NameSizes, Part: n.Part,
		Attempt: c.Attempt, Tables: c.Tables, Counts: c.Counts,
	}, nil
}
