package replica

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/segments"
)

// sealedAt is a segment with the numbers from first on and below end.
func sealedAt(seq uint64, first, end cache.Inode) segments.Sealed {
	files := uint64(end - first)
	return segments.Sealed{
		Seq: seq, Names: segments.NewAttempt(), Attempt: segments.NewAttempt(), HeadSize: 1,
		Part:   segments.Part{First: first, Spare: end, End: end, Files: files},
		Counts: cache.ContentCounts{Fetched: files},
	}
}

func mustWith(t *testing.T, c *catalog, news ...segments.Sealed) *catalog {
	t.Helper()
	c, err := c.with(news, c.next+1, false)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCatalogFindsSegments compares the search by numbers with a look at each segment, with
// gaps of segments that are not sealed yet, in whatever order they are.
func TestCatalogFindsSegments(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	var all []segments.Sealed
	next := cache.FirstInode
	for seq := range uint64(60) {
		end := next + cache.Inode(random.IntN(5))
		all = append(all, sealedAt(seq, next, end))
		next = end
	}
	c := &catalog{}
	for len(all) > 0 {
		k := random.IntN(len(all))
		c = mustWith(t, c, all[k])
		all = append(all[:k], all[k+1:]...)
		for ino := cache.Inode(0); ino < next+5; ino++ {
			var want *segment
			after := len(c.segs)
			for k := len(c.segs) - 1; k >= 0; k-- {
				s := c.segs[k]
				if ino >= s.Part.First && ino < s.Part.End {
					want = s
				}
				if s.Part.End > ino+1 {
					after = k
				}
			}
			if got := c.of(ino); got != want {
				t.Fatalf("inode %d: %+v, want %+v", ino, got, want)
			}
			if got := c.after(ino); got != after {
				t.Fatalf("after inode %d: %d, want %d", ino, got, after)
			}
		}
	}
}

// TestManifestsThatLie has nothing be taken of a manifest that contradicts itself or what is
// known.
func TestManifestsThatLie(t *testing.T) {
	known := mustWith(t, &catalog{}, sealedAt(0, 16, 20), sealedAt(2, 30, 40))
	change := func(change func(*segments.Sealed)) []segments.Sealed {
		s := sealedAt(3, 40, 50)
		change(&s)
		return []segments.Sealed{s}
	}
	for name, tc := range map[string]struct {
		news     []segments.Sealed
		complete bool
		want     string
	}{
		"a segment once more":            {[]segments.Sealed{sealedAt(2, 40, 50)}, false, "twice"},
		"two of one number":              {[]segments.Sealed{sealedAt(3, 40, 50), sealedAt(3, 50, 60)}, false, "twice"},
		"numbers of the one before":      {[]segments.Sealed{sealedAt(1, 19, 30)}, false, "same numbers"},
		"numbers of the one behind":      {[]segments.Sealed{sealedAt(1, 20, 31)}, false, "same numbers"},
		"numbers out of order":           {[]segments.Sealed{sealedAt(1, 50, 60)}, false, "same numbers"},
		"all numbers":                    {change(func(s *segments.Sealed) { s.Part.End = 1 << 60 }), false, "numbers"},
		"complete without one":           {[]segments.Sealed{sealedAt(3, 40, 50)}, true, "segment 1 is not sealed"},
		"more files fetched than listed": {change(func(s *segments.Sealed) { s.Counts.Fetched++ }), false, "fetched"},
		"fewer files than listed":        {change(func(s *segments.Sealed) { s.Counts.Fetched-- }), false, "fetched"},
		"counts that overflow":           {change(func(s *segments.Sealed) { s.Counts.Failed, s.Counts.Fetched = 11, ^uint64(0) }), false, "fetched"},
		"more blobs than files":          {change(func(s *segments.Sealed) { s.Counts.Blobs = 11 }), false, ""},
	} {
		c, err := known.with(tc.news, known.next+1, tc.complete)
		if !errors.Is(err, segments.ErrBad) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && len(c.segs) != 2 {
			t.Errorf("%s: it was taken", name)
		}
	}
	if len(known.segs) != 2 {
		t.Error("what is known was changed")
	}
}

// TestWholeDirs: what is known of directories that are read is bounded, and is of no other catalog.
func TestWholeDirs(t *testing.T) {
	c := &catalog{}
	for dir := range cache.Inode(3 * maxWhole) {
		c.whole.add(dir, 7)
		if !c.whole.has(dir, 7) || c.whole.has(dir, 6) || !c.whole.has(dir, 8) {
			t.Fatalf("directory %d", dir)
		}
	}
	c.whole.add(3*maxWhole-1, 9)
	if n := len(c.whole.from); n > maxWhole || !c.whole.has(3*maxWhole-1, 7) {
		t.Errorf("%d directories", n)
	}
	if next, err := c.with(nil, 1, false); err != nil || next.whole.has(3*maxWhole-1, 9) {
		t.Errorf("the next catalog knows it: %v", err)
	}
}
