package replica

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/objects/objectstest"
)

// TestDiskFillsUpInADownload has the disk on which tables stand while they come be full: what came
// is removed.
func TestDiskFillsUpInADownload(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=96k"); err != nil {
		t.Skipf("only root makes a small disk: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	store := objectstest.New(objectstest.Options{})
	w := newWorld(t, 64, store, worldOptions{files: 200, flat: true, long: true})
	w.grow(200)
	w.seal(nil)
	r := opened(t, t.TempDir()+"/store", store, func(o *Options) { o.quiet = true })
	s := r.catalog.Load().segs[0]
	if s.Tables[1].Size < 200<<10 {
		t.Fatalf("a table of %d bytes fits", s.Tables[1].Size)
	}
	here := r.temporary()
	w.must(os.Remove(here))
	w.must(os.Symlink(dir, here))
	name := w.listing[3].Origin
	if _, err := newReader(r, 64).lookup(t.Context(), cache.RootInode, name); !cache.NoRoom(err) || errors.Is(err, cache.ErrNotFound) {
		t.Errorf("it says: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%d files are left, %v", len(left), err)
	}
	w.must(os.Remove(here))
	w.must(os.Mkdir(here, 0o700))
	w.must(w.checkAll(t.Context(), newReader(r, 64)))
}
