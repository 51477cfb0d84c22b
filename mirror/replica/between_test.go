package replica

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/objects/objectstest"
	"github.com/motefs/motefs/mirror/segments"
)

// TestFilesWithoutTheirOutcome has a segment's files be here, and not what became of them, as after a
// power cut between the two: none of them is shown that is gone. Nor is one missing while the
// object store is away.
func TestFilesWithoutTheirOutcome(t *testing.T) {
	store := objectstest.New(objectstest.Options{})
	w := whole(t, 41, store, 60, worldOptions{files: 60, flat: true, sizes: true, odd: true})
	r := opened(t, t.TempDir()+"/store", store, func(o *Options) { o.quiet = true })
	s := r.catalog.Load().segs[0]
	w.must(r.dirsOf(t.Context(), s, r.share))
	from, _, err := store.Get(t.Context(), segments.NamesName(s.Seq), s.HeadSize+s.DirsSize, s.FilesSize)
	w.must(err)
	text, err := io.ReadAll(from)
	w.must(errors.Join(err, from.Close()))
	w.must(r.store.IngestFiles(t.Context(), cache.TableOf(text), s.Part))

	n, gone := r.Names(), 0
	check := func(after bool) {
		for name, f := range w.truth {
			if slices.Contains([]byte(name), '/') {
				continue
			}
			e, err := n.Lookup(cache.RootInode, name)
			switch {
			case f.gone && err == nil && e.State != cache.Gone:
				t.Errorf("%q, which is gone, is %+v", name, e)
			case after && !f.gone && err != nil:
				t.Errorf("%q: %v", name, err)
			}
			if f.gone {
				gone++
			}
		}
	}
	check(false)
	w.must(r.namesOf(t.Context(), s, r.share))
	check(true)
	if gone == 0 {
		t.Error("none is gone")
	}
}

// TestCompleteInBetween has a mirror be complete while a name is looked for that came with its last
// segment: it is never "no such file".
func TestCompleteInBetween(t *testing.T) {
	store := objectstest.New(objectstest.Options{})
	w := whole(t, 42, store, 20, worldOptions{files: 20, flat: true})
	r := opened(t, t.TempDir()+"/store", store, func(o *Options) {
		o.quiet = true
		o.Unlisted = func(context.Context, cache.Inode, string) (cache.Entry, error) {
			return cache.Entry{Inode: 1 << 62}, nil
		}
	})
	after, before := r.catalog.Load(), &catalog{}
	for k := range 20_000 {
		r.catalog.Store(before)
		done := make(chan struct{})
		go func() { r.catalog.Store(after); close(done) }()
		_, err := r.Contents().Fetch(t.Context(), cache.RootInode, w.listing[0].Origin)
		<-done
		if err != nil {
			t.Fatalf("%d: %v", k, err)
		}
	}
}
