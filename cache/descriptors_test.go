package cache

import (
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestDescriptorsFit checks what is kept open against limits: less than half of all
// but the smallest, and as much as ever where there is no need to save.
func TestDescriptorsFit(t *testing.T) {
	for limit, want := range map[int][2]int{64: {64, 8}, 256: {64, 16}, 1024: {256, 64}, 4096: {512, 64}, 1 << 30: {512, 64}} {
		o := Options{Descriptors: limit}
		if got := [2]int{o.openTables(), o.openBlobFiles()}; got != want {
			t.Errorf("of %d descriptors %d are tables' and blobs'", limit, got)
		}
	}
	var o Options
	if o.EnsureDefaults(); o.Descriptors < 64 {
		t.Errorf("%d descriptors", o.Descriptors)
	}
}

// TestDatabaseWaitsForDescriptors has the database's files and new blobs be refused a
// descriptor for a while. Nothing is lost and the store is not broken by it.
func TestDatabaseWaitsForDescriptors(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE} {
		for _, where := range []string{"/db/", "/blobs/"} {
			t.Run(fmt.Sprint(errno, where), func(t *testing.T) {
				var refusals atomic.Int32
				fault := func(op errorfs.Op) error {
					creates := op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpOpen || op.Kind == errorfs.OpOpenDir
					if creates && strings.Contains(op.Path+"/", where) && refusals.Load() > 0 && refusals.Add(-1) >= 0 {
						return errno
					}
					return nil
				}
				s := open(t, Options{Dir: "/store", Origin: testOrigin, FlushEvery: -1, FS: errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(fault))})
				put(t, plan(t, s, "a", "b"))
				refusals.Store(20)
				putBlobs(t, s, "c")
				if err := s.Flush(t.Context()); err != nil {
					t.Error(err)
				}
				if n := refusals.Load(); n > 0 {
					t.Errorf("%d refusals were never met", n)
				}
				for name, want := range map[string]string{"a": string(body("a")), "c": "    c"} {
					if got := content(t, s, name); got != want {
						t.Errorf("%s holds %q", name, got)
					}
				}
				if err := s.BrokenErr(); err != nil {
					t.Error(err)
				}
				verify(t, s)
			})
		}
	}
}
