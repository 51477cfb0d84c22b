package replica

import (
	"errors"
	"os"
	"testing"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror/objects/objectstest"
	"github.com/motefs/motefs/mirror/segments"
)

// seeds is how many worlds each test makes, with MOTEFS_TEST_LONG many.
var seeds = map[bool]int{true: 2, false: 40}[os.Getenv("MOTEFS_TEST_LONG") == ""]

// TestReplicaIsTheMirror reads a complete mirror to its end, and once more after a restart.
func TestReplicaIsTheMirror(t *testing.T) {
	forSeeds(t, seeds, func(t *testing.T, seed uint64, o worldOptions) {
		store := objectstest.New(objectstest.Options{Seed: seed})
		w := whole(t, seed, store, 1+int(seed%97), o)
		dir := t.TempDir() + "/store"
		r := opened(t, dir, store)
		rd := newReader(r, seed)
		w.must(w.checkSome(t.Context(), rd, 30))
		w.must(w.checkAll(t.Context(), rd))
		eventually.True(t, "all names are here", r.Names().ListingComplete)
		w.must(w.checkAll(t.Context(), rd))
		w.must(w.checkSome(t.Context(), rd, 30))
		if _, final := r.Names().Changes(); !final {
			t.Error("names may still change")
		}
		if s := r.Status(); s.NamesHere != s.Segments || !s.Complete || s.Files != uint64(len(w.truth)) {
			t.Errorf("%+v", s)
		}
		w.must(r.Close())

		gets := store.Count(objectstest.OpGet)
		r = opened(t, dir, store)
		w.must(w.checkAll(t.Context(), newReader(r, seed)))
		if more := store.Count(objectstest.OpGet) - gets; more > 2 {
			t.Errorf("a restart gets %d objects", more)
		}
		if s := r.Status(); s.Downloaded > 0 {
			t.Errorf("a restart downloads %d bytes", s.Downloaded)
		}
	})
}

// TestNoMirror has an error where there is no mirror, and not an empty one.
func TestNoMirror(t *testing.T) {
	dir := t.TempDir() + "/store"
	_, err := Open(t.Context(), Options{Objects: objectstest.New(objectstest.Options{}), Store: optionsOf(dir)})
	if !errors.Is(err, segments.ErrNone) {
		t.Error(err)
	}
}
