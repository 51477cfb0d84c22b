package replica

import (
	"context"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror/objects/objectstest"
)

func contextWithCancel(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

// pass has time go by for the local store's bound.
func (r *Replica) pass(t *testing.T) {
	t.Helper()
	r.space.now.Add(restTicks + 1)
	if err := r.makeRoom(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestTakenBackUnderReaders takes segments back again and again while others read: nobody sees
// anything but the truth, and the bound is kept once nobody reads.
func TestTakenBackUnderReaders(t *testing.T) {
	forSeeds(t, seeds, func(t *testing.T, seed uint64, o worldOptions) {
		store := objectstest.New(objectstest.Options{})
		w := whole(t, seed, store, 40, o)
		const bound = 20_000
		r := opened(t, t.TempDir()+"/store", store, func(o *Options) { o.CacheSize = bound })
		var group errgroup.Group
		for k := range 4 {
			rd := newReader(r, seed+uint64(k))
			group.Go(func() error {
				for range 30 {
					if err := w.checkSome(t.Context(), rd, 1); err != nil {
						return err
					}
					r.pass(t)
				}
				return nil
			})
		}
		w.must(group.Wait())
		w.must(w.checkAll(t.Context(), newReader(r, seed)))
		r.pass(t)
		s := r.Status()
		if s.Taken > bound && len(r.byUse()) > 1 {
			t.Errorf("%d bytes are taken by %d segments: %+v", s.Taken, len(r.byUse()), s)
		}
		for range 3 { // one that is over the bound by itself stays
			before := r.Status()
			r.pass(t)
			if after := r.Status(); after.TakenBack != before.TakenBack {
				t.Errorf("with %d bytes taken, segments are taken back: %+v", before.Taken, after)
			}
		}
		w.must(w.checkAll(t.Context(), newReader(r, seed)))
	})
}

// TestRoomIsGivenBack looks at the disk.
func TestRoomIsGivenBack(t *testing.T) {
	for name, o := range map[string]worldOptions{
		"sorted":   {files: 2000, long: true},
		"shuffled": {files: 2000, long: true, shuffled: true},
		"blobs":    {files: 200, blobs: true},
	} {
		t.Run(name, func(t *testing.T) {
			store := objectstest.New(objectstest.Options{})
			w := whole(t, 13, store, o.files/10, o)
			dir := t.TempDir() + "/store"
			r := opened(t, dir, store, func(o *Options) { o.CacheSize = 1 << 30 })
			rd := newReader(r, 13)
			w.must(w.checkAll(t.Context(), rd))
			eventually.True(t, "all names are here", r.Names().ListingComplete)
			full := diskUsage(t, dir)
			if taken := r.Status().Taken; taken < full/2 || taken > full {
				t.Errorf("%d bytes are on the disk, and %d counted", full, taken)
			}
			// As many as that stay.
			r.bound.Store(r.Status().Taken / 5)
			r.pass(t)
			if s := r.Status(); s.TakenBack == 0 || s.Taken > r.bound.Load() {
				t.Errorf("%+v", s)
			}
			eventually.True(t, "the disk has room again", func() bool { return diskUsage(t, dir) < full/2 })
			w.must(r.Close())
			r = opened(t, dir, store, func(o *Options) { o.CacheSize = 1 << 30 })
			left := r.Status()
			eventually.True(t, "blobs are counted", func() bool { return r.Status().Taken >= left.Taken })
			w.must(w.checkAll(t.Context(), newReader(r, 13)))
		})
	}
}

// TestRecencySurvives has what was read last before a restart be taken back last after it.
func TestRecencySurvives(t *testing.T) {
	store := objectstest.New(objectstest.Options{})
	w := whole(t, 14, store, 100, worldOptions{files: 1000, flat: true})
	dir := t.TempDir() + "/store"
	r := opened(t, dir, store)
	rd := newReader(r, 14)
	w.must(w.checkAll(t.Context(), rd))
	for _, k := range []int{750, 350, 50} {
		r.space.now.Add(1)
		if _, err := rd.lookup(t.Context(), 1, w.listing[k].Origin); err != nil {
			t.Fatal(err)
		}
	}
	w.must(r.Close())
	r = opened(t, dir, store)
	order := r.byUse()
	for k, seq := range []uint64{7, 3, 0} {
		if got := order[len(order)-3+k].Seq; got != seq {
			t.Errorf("%d was read instead of %d", got, seq)
		}
	}
}
