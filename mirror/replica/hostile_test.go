package replica

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/objectstest"
	"github.com/motefs/motefs/mirror/segments"
)

// TestDamagedObjects flips bits in tables and blobs: whoever reads gets the truth, or an error
// that is no answer. All contents of one segment are damaged, so that who reads everything meets it.
func TestDamagedObjects(t *testing.T) {
	forSeeds(t, seeds, func(t *testing.T, seed uint64, o worldOptions) {
		o.files = min(o.files, 300)
		good := objectstest.New(objectstest.Options{})
		w := whole(t, seed, good, 30, o)
		random := rand.New(rand.NewPCG(seed, 4))
		bad := objectstest.New(objectstest.Options{})
		texts, victim := good.Objects(), random.Uint64N(w.seq)
		for _, name := range slices.Sorted(maps.Keys(texts)) {
			text := texts[name]
			seq, _, content := segments.ParseAttempt(segments.ContentsPrefix, name)
			spared := name == segments.MirrorName || strings.HasPrefix(name, segments.ManifestsPrefix) || len(text) == 0
			if !spared && (content && seq == victim || random.IntN(3) == 0) {
				if text[random.IntN(len(text))] ^= 1 << random.IntN(8); random.IntN(4) == 0 {
					text = text[:random.IntN(len(text))]
				}
			}
			w.must(bad.Put(t.Context(), name, objects.BytesBody(text)))
		}
		dir := t.TempDir() + "/store"
		r := opened(t, dir, bad)
		rd := newReader(r, seed)
		met := func(err error) bool {
			if errors.Is(err, cache.ErrNotFound) || err != nil && strings.Contains(err.Error(), "not the origin's") {
				t.Fatal(err)
			}
			return err != nil
		}
		for range 60 {
			met(w.checkSome(t.Context(), rd, 1))
		}
		if !met(w.checkAll(t.Context(), rd)) {
			t.Error("who reads everything does not meet the damage")
		}
		w.must(r.Close())
		// What was brought is right, and the rest comes once the objects are.
		w.must(w.checkAll(t.Context(), newReader(opened(t, dir, good), seed)))
	})
}

// TestTablesOfOthers has manifests say, with right sums, that a segment has the tables of
// another one.
func TestTablesOfOthers(t *testing.T) {
	for name, change := range map[string]func(s *segments.Sealed, other segments.Sealed){
		"names": func(s *segments.Sealed, o segments.Sealed) {
			s.NameSizes, s.HeadSize = o.NameSizes, o.HeadSize
		},
		"contents": func(s *segments.Sealed, o segments.Sealed) { s.Tables[1] = o.Tables[1] },
		"counts":   func(s *segments.Sealed, o segments.Sealed) { s.Counts.Bytes-- },
		"numbers": func(s *segments.Sealed, o segments.Sealed) {
			s.Part.End++
			s.Part.Spare++
			s.Part.Files++
			s.Counts.Fetched++
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := objectstest.New(objectstest.Options{})
			w := newWorld(t, 15, store, worldOptions{files: 200, flat: true})
			w.grow(100)
			w.grow(100)
			a, b := &w.ready[1], w.ready[0]
			change(a, b)
			for of, from := range map[string]string{
				segments.NamesName(a.Seq): segments.NamesName(b.Seq), segments.TableName(a.Seq, a.Attempt, 1): segments.TableName(b.Seq, b.Attempt, 1),
			} {
				if (name == "names") == strings.HasPrefix(of, segments.NamesPrefix) && (name == "names" || name == "contents") {
					w.must(store.Delete(t.Context(), of))
					w.must(store.Put(t.Context(), of, objects.BytesBody(store.Objects()[from])))
				}
			}
			w.seal(nil)
			r := opened(t, t.TempDir()+"/store", store)
			rd := newReader(r, 15)
			for k, n := range w.listing {
				err := w.check(t.Context(), rd, cache.RootInode, n.Origin, n.Origin)
				switch {
				case k < 100 && err != nil:
					t.Fatalf("of a segment that is sound: %v", err)
				case k >= 100 && (err == nil || errors.Is(err, cache.ErrNotFound) || !errors.Is(err, cache.ErrTable)):
					t.Fatalf("of a segment with another one's %s: %v", name, err)
				}
				if k > 105 {
					break
				}
			}
			if r.Names().ListingComplete() && name != "contents" && name != "counts" {
				t.Error("the listing is complete")
			}
		})
	}
}

// TestAnotherMirror has a new mirror take the place of one that is open: what is here is served
// on, and the folder is not opened for the other.
func TestAnotherMirror(t *testing.T) {
	store := objectstest.New(objectstest.Options{})
	w := newWorld(t, 16, store, worldOptions{files: 300, flat: true})
	w.grow(100)
	w.seal(nil)
	dir := t.TempDir() + "/store"
	r := opened(t, dir, store)
	rd := newReader(r, 16)
	w.must(w.checkAll(t.Context(), rd))
	for name := range store.Objects() {
		w.must(store.Delete(t.Context(), name))
	}
	whole(t, 17, store, 100, worldOptions{files: 300, flat: true})
	if err := r.once(t.Context(), r.poll); !errors.Is(err, ErrOtherMirror) {
		t.Errorf("another mirror: %v", err)
	}
	w.must(w.checkAll(t.Context(), rd))
	w.must(r.Close())
	if _, err := Open(t.Context(), Options{Objects: store, Store: optionsOf(dir)}); !errors.Is(err, ErrOtherMirror) || !errors.Is(err, cache.ErrOrigin) || strings.Count(err.Error(), dir) != 1 {
		t.Errorf("another mirror in the same folder: %v", err)
	}
}

// replace puts another table in the place of one.
func (w *world) replace(s *segments.Sealed, k int, table []byte) {
	w.tb.Helper()
	name := segments.TableName(s.Seq, s.Attempt, k)
	w.must(w.objects.Delete(w.tb.Context(), name))
	w.must(w.objects.Put(w.tb.Context(), name, objects.BytesBody(table)))
}
