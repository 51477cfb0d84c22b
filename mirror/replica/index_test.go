package replica

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/objectstest"
)

// grown has a replica follow a mirror while it grows in several manifests, and returns its folder, where
// names of all but the last segment were brought.
func grown(t *testing.T, seed uint64, store *objectstest.Memory) (w *world, dir string) {
	t.Helper()
	w = newWorld(t, seed, store, worldOptions{files: 120, flat: true})
	dir = t.TempDir() + "/store"
	for range 3 {
		w.grow(30)
		w.seal(nil)
		r := opened(t, dir, store)
		w.must(w.checkAll(t.Context(), newReader(r, seed)))
		w.must(r.Close())
	}
	return w, dir
}

func indexOf(dir string) string { return filepath.Join(dir, ours, indexFile) }

func readIndex(t *testing.T, dir string) []byte {
	t.Helper()
	text, err := os.ReadFile(indexOf(dir))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// openAway opens a replica while the object store is away.
func openAway(t *testing.T, dir string, store *objectstest.Memory) (*Replica, error) {
	t.Helper()
	store.SetAway(true)
	defer store.SetAway(false)
	return Open(t.Context(), Options{
		Objects: store, Store: optionsOf(dir), Patience: 20 * time.Millisecond, backoff: time.Millisecond, quiet: true,
		Log: zerolog.New(zerolog.NewTestWriter(t)),
	})
}

// TestIndexGrowsByWhatIsNew has the file grow at its end, and each segment be in it once.
func TestIndexGrowsByWhatIsNew(t *testing.T) {
	store := objectstest.New(objectstest.Options{})
	w := newWorld(t, 41, store, worldOptions{files: 300, flat: true})
	dir := t.TempDir() + "/store"
	w.grow(30)
	w.seal(nil)
	r := opened(t, dir, store)
	before := readIndex(t, dir)
	for w.listed < len(w.listing) {
		w.grow(30)
		w.seal(nil)
		w.must(r.once(t.Context(), r.poll))
		after := readIndex(t, dir)
		if !bytes.HasPrefix(after, before) || len(after) < len(before) {
			t.Fatalf("what stood there was written anew: %d bytes, and %d", len(before), len(after))
		}
		before = after
	}
	if n := bytes.Count(before, []byte(`"attempt"`)); n != len(r.catalog.Load().segs) {
		t.Errorf("%d segments are in it of %d", n, len(r.catalog.Load().segs))
	}
	w.must(r.Close())
	r, err := openAway(t, dir, store)
	w.must(err)
	if s := r.Status(); s.Segments != 10 || !s.Complete {
		t.Errorf("%+v", s)
	}
	w.must(r.Close())
}

// TestIndexCut cuts INDEX at each byte, as a crash does in the middle of a line: with the object store away
// names are known as far as readers were told of them, or the replica is not opened; with it all are.
func TestIndexCut(t *testing.T) {
	store := objectstest.New(objectstest.Options{})
	w, dir := grown(t, 42, store)
	text := readIndex(t, dir)
	for cut := range len(text) + 1 {
		w.must(os.WriteFile(indexOf(dir), text[:cut], 0o600))
		k, err := loadIndex(filepath.Join(dir, ours))
		if err != nil || k.bad != nil || len(k.Segments) != bytes.Count(text[:cut], []byte("\n")) {
			t.Fatalf("cut at %d: %d segments, %v, %v", cut, len(k.Segments), k.bad, err)
		}
		if cut%211 != 0 && cut != len(text) {
			continue
		}
		// The store has names of all: what is cut off was told.
		r, err := openAway(t, dir, store)
		switch {
		case cut == len(text):
			w.must(err)
			w.must(r.Close())
		case err == nil:
			_ = r.Close()
			t.Fatalf("cut at %d: it is opened with %d segments, while readers were told of 3", cut, len(k.Segments))
		case errors.Is(err, cache.ErrNotFound):
			t.Fatal(err)
		}
		r = opened(t, dir, store)
		w.must(w.checkAll(t.Context(), newReader(r, 42)))
		w.must(r.Close())
		if !bytes.Equal(readIndex(t, dir), text) && cut == len(text) {
			t.Error("a whole one is changed")
		}
		if k, err := loadIndex(filepath.Join(dir, ours)); err != nil || k.bad != nil || len(k.Segments) != 3 {
			t.Errorf("cut at %d: after it: %d segments, %v, %v", cut, len(k.Segments), k.bad, err)
		}
	}
}

// TestIndexDamaged has INDEX be another one than it was: never is a name that readers were told of no
// name, and with the object store all is well.
func TestIndexDamaged(t *testing.T) {
	others := objectstest.New(objectstest.Options{})
	_, otherDir := grown(t, 44, others)
	for what, change := range map[string]func(text []byte) []byte{
		"a bit":            func(text []byte) []byte { text[len(text)/2] ^= 1; return text },
		"twice":            func(text []byte) []byte { return append(bytes.Clone(text), text...) },
		"a line is gone":   func(text []byte) []byte { _, rest, _ := bytes.Cut(text, []byte("\n")); return rest },
		"none":             func([]byte) []byte { return nil },
		"another mirror's": func([]byte) []byte { return readIndex(t, otherDir) },
		"what it was once": func(text []byte) []byte { first, _, _ := bytes.Cut(text, []byte("\n")); return append(first, '\n') },
		"contradicts itself": func([]byte) []byte {
			k, err := loadIndex(filepath.Join(otherDir, ours))
			if err != nil {
				t.Fatal(err)
			}
			i := indexRecord{Mirror: k.mirror, Next: 2, Segments: append(k.Segments, k.Segments[0])}
			line, err := i.line()
			if err != nil {
				t.Fatal(err)
			}
			return line
		},
		"of before": func([]byte) []byte { return []byte(`{"Next":1,"Segments":[]}`) },
	} {
		t.Run(what, func(t *testing.T) {
			store := objectstest.New(objectstest.Options{})
			w, dir := grown(t, 43, store)
			w.must(os.WriteFile(indexOf(dir), change(readIndex(t, dir)), 0o600))
			if r, err := openAway(t, dir, store); err == nil {
				_ = r.Close()
				t.Error("with the object store away it is opened")
			} else if !strings.Contains(err.Error(), "object store") {
				t.Errorf("it says: %v", err)
			}
			r := opened(t, dir, store)
			before := r.Status().Downloaded
			w.must(w.checkAll(t.Context(), newReader(r, 43)))
			if came := r.Status().Downloaded - before; came > 0 {
				t.Errorf("%d bytes of what is here are downloaded", came)
			}
			w.must(r.Close())
			r, err := openAway(t, dir, store)
			w.must(err)
			w.must(r.Close())
		})
	}
}

// TestIndexLaterThanStore has the local store be one of before, as from a backup: what it lacks is
// brought again.
func TestIndexLaterThanStore(t *testing.T) {
	store := objectstest.New(objectstest.Options{})
	w, dir := grown(t, 45, store)
	index := readIndex(t, dir)
	w.must(os.RemoveAll(dir))
	early := newWorldStore(t, w, dir, store)
	w.must(os.WriteFile(indexOf(dir), index, 0o600))
	r := opened(t, dir, store, func(o *Options) { o.quiet = true })
	if s := r.Status(); s.Segments != 3 || s.NamesHere != early {
		t.Errorf("%+v", s)
	}
	w.must(w.checkAll(t.Context(), newReader(r, 45)))
}

// newWorldStore makes a local store that has the names of the first segment only.
func newWorldStore(t *testing.T, w *world, dir string, from objects.Store) (names int) {
	t.Helper()
	r := opened(t, dir, from, func(o *Options) { o.quiet = true })
	w.must(r.namesOf(t.Context(), r.catalog.Load().segs[0], r.demand))
	w.must(r.Close())
	return 1
}

// TestStoreOfAnotherMirror has the store be of a mirror of the same name whose segments are others: that is
// an error that says what to do, and nothing is removed.
func TestStoreOfAnotherMirror(t *testing.T) {
	store := objectstest.New(objectstest.Options{})
	w, dir := grown(t, 46, store)
	// The mirror begins anew under its old id, with other segments.
	text := store.Objects()["mirror"]
	for name := range store.Objects() {
		w.must(store.Delete(t.Context(), name))
	}
	w.must(store.Put(t.Context(), "mirror", objects.BytesBody(text)))
	next := newWorld(t, 46, store, worldOptions{files: 120, flat: true})
	next.finish(50)
	w.must(os.Remove(indexOf(dir)))
	before := diskUsage(t, dir)
	_, err := Open(t.Context(), Options{Objects: store, Store: optionsOf(dir), Patience: time.Minute, backoff: time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("it says: %v", err)
	}
	if after := diskUsage(t, dir); after < before/2 {
		t.Errorf("of %d bytes %d are left", before, after)
	}
}
