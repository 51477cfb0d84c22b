package replica

import (
	"errors"
	"testing"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror/objects/objectstest"
)

// TestSealedWhileADirectoryIsRead has a segment be sealed after who reads a directory found that its
// names are here, and before they are read: one that comes before all of them. The directory does not
// look as if it had ended.
func TestSealedWhileADirectoryIsRead(t *testing.T) {
	store := objectstest.New(objectstest.Options{})
	w := newWorld(t, 31, store, worldOptions{files: 60, flat: true})
	w.grow(30)
	w.grow(30)
	w.seal(func(seq uint64) bool { return seq == 1 })
	r := opened(t, t.TempDir()+"/store", store, func(o *Options) { o.quiet = true })
	if err := r.Ready(t.Context(), cache.RootInode, 0); err != nil {
		t.Fatal(err)
	}
	w.seal(nil)
	eventually.True(t, "the other segment", func() bool { return len(r.catalog.Load().segs) == 2 })
	for what, read := range map[string]func(fn func(cache.Inode)) error{
		"ReadDir": func(fn func(cache.Inode)) error {
			return r.Names().ReadDir(cache.RootInode, 0, func(d cache.DirEntry) bool { fn(d.Inode); return true })
		},
		"ReadDirPlus": func(fn func(cache.Inode)) error {
			return r.Names().ReadDirPlus(cache.RootInode, 0, func(d cache.DirEntry, _ cache.Entry, _ error) bool { fn(d.Inode); return true })
		},
	} {
		// It waits for nobody: who reads may be interrupted, which is not known here.
		n := 0
		if err := read(func(cache.Inode) { n++ }); !errors.Is(err, cache.ErrNotReady) || n != 0 {
			t.Errorf("%s hands out %d names, %v", what, n, err)
		}
	}
	all, err := newReader(r, 1).list(t.Context(), cache.RootInode)
	if err != nil || len(all) != 60 {
		t.Errorf("%d of 60 names, %v", len(all), err)
	}
}
