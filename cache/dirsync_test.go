package cache

import (
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestFolderCannotBeSynced has the disk fail where the database puts a new manifest in
// its place, which it does in a goroutine of its own: the store cannot be opened, and
// that is all.
func TestFolderCannotBeSynced(t *testing.T) {
	disk := vfs.NewCrashableMem()
	o := Options{Dir: "/store", Origin: testOrigin, FS: disk, FlushEvery: -1}
	s := open(t, o)
	put(t, plan(t, s, "a", "b"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var moved atomic.Bool
	o.FS = errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch {
		case op.Kind == errorfs.OpCreate && strings.Contains(op.Path, "/marker.manifest."):
			moved.Store(true)
		case moved.Load() && op.Kind == errorfs.OpFileSync && strings.HasSuffix(op.Path, "/db"):
			return syscall.EIO
		}
		return nil
	}))
	left := disk.CrashClone(vfs.CrashCloneCfg{})
	if _, err := Open(o); !errors.Is(err, syscall.EIO) || !moved.Load() {
		t.Errorf("it opens with %v", err)
	}
	o.FS = left
	s = open(t, o)
	verify(t, s)
	if got := content(t, s, "a"); got != string(body("a")) {
		t.Errorf("a holds %q", got)
	}
}

// TestFolderCannotBeSyncedLater has the disk fail so under a store that is open: it is
// broken, and read on.
func TestFolderCannotBeSyncedLater(t *testing.T) {
	var fails atomic.Bool
	o := Options{Dir: "/store", Origin: testOrigin, FlushEvery: -1}
	o.FS = errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if fails.Load() && op.Kind == errorfs.OpFileSync && strings.HasSuffix(op.Path, "/db") {
			return syscall.EIO
		}
		return nil
	}))
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	put(t, plan(t, s, "a"))
	fails.Store(true)
	if err := s.Flush(t.Context()); !errors.Is(err, syscall.EIO) || !errors.Is(s.BrokenErr(), syscall.EIO) {
		t.Errorf("a flush gives %v, and the store is broken by %v", err, s.BrokenErr())
	}
	if got := content(t, s, "a"); got != string(body("a")) {
		t.Errorf("a holds %q", got)
	}
	if err := s.Close(); !errors.Is(err, syscall.EIO) {
		t.Errorf("it closes with %v", err)
	}
}
