package replica

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror/objects"
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

// handover has a store be away from the first time on that it is asked for the mirror, when it calls then.
type handover struct {
	objects.Store
	once sync.Once
	then func()
}

func (h *handover) Get(_ context.Context, name string, _, _ int64) (io.ReadCloser, int64, error) {
	if name == segments.MirrorName {
		h.once.Do(h.then)
	}
	return nil, 0, objects.ErrAway
}

// TestOpenedWhileAnotherEnds has another process that has the local store end while a replica is opened,
// after it has remembered and brought one more segment. Nothing of that is missing.
func TestOpenedWhileAnotherEnds(t *testing.T) {
	store := objectstest.New(objectstest.Options{})
	w := newWorld(t, 43, store, worldOptions{files: 40, flat: true})
	w.grow(20)
	w.seal(nil)
	dir := t.TempDir() + "/store"
	first := opened(t, dir, store)
	next := opened(t, dir, &handover{Store: store, then: func() {
		w.grow(20)
		w.seal(nil)
		eventually.True(t, "all names", func() bool { return first.Names().ListingComplete() })
		w.must(first.Close())
	}}, func(o *Options) { o.Patience = 50 * time.Millisecond })
	for _, n := range w.listing {
		if _, err := next.Names().Lookup(cache.RootInode, n.Origin); err != nil {
			t.Errorf("%q: %v", n.Origin, err)
		}
	}
	if c := next.catalog.Load(); len(c.segs) != 2 || !c.complete {
		t.Errorf("%d segments, complete %v", len(c.segs), c.complete)
	}
}

// TestMarkedAgain notes once more what is here, as where taking a segment back fails: what is here
// never looks as if it were not.
func TestMarkedAgain(t *testing.T) {
	store := objectstest.New(objectstest.Options{})
	whole(t, 44, store, 200, worldOptions{files: 200})
	r := opened(t, t.TempDir()+"/store", store)
	eventually.True(t, "all names", func() bool { return r.Names().ListingComplete() })
	s, done := r.catalog.Load().segs[0], make(chan error, 1)
	go func() {
		var err error
		for k := 0; k < 5000 && err == nil; k++ {
			err = r.mark(s)
		}
		done <- err
	}()
	for lacked := false; ; {
		select {
		case err := <-done:
			if err != nil || lacked {
				t.Errorf("some were not here: %v, %v", lacked, err)
			}
			return
		default:
			lacked = lacked || !s.dirs.Load() || !s.names.Load()
		}
	}
}
