package cache

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"golang.org/x/sys/unix"
)

// openings lets all blob files be opened but when there are as many open as least;
// then it fails with an errno.
type openings struct {
	errno atomic.Pointer[syscall.Errno]
	s     *Store
	least int
}

func (o *openings) fault(op errorfs.Op) error {
	errno := o.errno.Load()
	if errno == nil || op.Kind != errorfs.OpOpen || !strings.Contains(op.Path, "/blobs/") || o.s.blobs.open.files.Len() < o.least {
		return nil
	}
	return *errno
}

// TestBlobCannotBeOpenedNow runs out of descriptors or memory when blobs are opened:
// that is no damage, no reader of another file is told of it, and it passes.
func TestBlobCannotBeOpenedNow(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EINTR, syscall.EAGAIN} {
		t.Run(errno.Error(), func(t *testing.T) {
			var o openings
			s := open(t, Options{Dir: "/store", Origin: testOrigin, FlushEvery: -1, FS: errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(o.fault))})
			o.s = s
			page := plan(t, s, "a", "b", "c", "d", "e")
			for k := range page.Len() {
				if err := page.PutBlob(k, blob(t, s, page.Name(k)), 0, nil); err != nil {
					t.Fatal(err)
				}
			}
			commit(t, page)
			e, err := find(s, "a")
			if err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 10)
			o.errno.Store(&errno)
			if _, err := s.ReadAt(e.Inode, buf, 0); !errors.Is(err, ErrTransient) || errors.Is(err, ErrCorrupt) || !errors.Is(err, errno) {
				t.Errorf("a blob that cannot be opened gives %v", err)
			}
			if r, err := s.Verify(t.Context(), func(p string) { t.Error("verify: " + p) }); !errors.Is(err, ErrTransient) {
				t.Errorf("verify says %+v, %v", r, err)
			}
			o.least = 2 // files that are open and not being read make room
			for _, name := range strings.Split("abcdeabcde", "") {
				if got := content(t, s, name); got != name {
					t.Errorf("%s holds %q", name, got)
				}
			}
			o.errno.Store(nil)
			if got := content(t, s, "a"); got != "a" {
				t.Errorf("a holds %q", got)
			}
			verify(t, s)
			if err := s.BrokenErr(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNoDescriptors is the same with the kernel's own answer.
func TestNoDescriptors(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir(), Origin: testOrigin, FlushEvery: -1})
	page := plan(t, s, "a")
	if err := page.PutBlob(0, blob(t, s, "a"), 0, nil); err != nil {
		t.Fatal(err)
	}
	commit(t, page)
	e, err := find(s, "a")
	if err != nil {
		t.Fatal(err)
	}
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	_, err = s.ReadAt(e.Inode, make([]byte, 10), 0)
	if again := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); again != nil {
		t.Fatal(again)
	}
	if !errors.Is(err, ErrTransient) || !errors.Is(err, syscall.EMFILE) {
		t.Errorf("without a descriptor: %v", err)
	}
	if got := content(t, s, "a"); got != "a" {
		t.Errorf("a holds %q", got)
	}
}

// Damage is a blob that is not there.
func TestBlobThatIsNotThere(t *testing.T) {
	disk := vfs.NewMem()
	s := open(t, Options{Dir: "/store", Origin: testOrigin, FS: disk, FlushEvery: -1})
	page := plan(t, s, "a")
	w := blob(t, s, "a")
	if err := page.PutBlob(0, w, 0, nil); err != nil {
		t.Fatal(err)
	}
	commit(t, page)
	if err := disk.Remove(fmt.Sprintf("/store/blobs/%s/%s", shardName(w.id), blobName(w.id))); err != nil {
		t.Fatal(err)
	}
	e, _ := find(s, "a")
	if _, err := s.ReadAt(e.Inode, make([]byte, 10), 0); !errors.Is(err, ErrCorrupt) || errors.Is(err, ErrTransient) {
		t.Errorf("a blob that is not there gives %v", err)
	}
}
