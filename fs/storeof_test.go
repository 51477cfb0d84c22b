package fs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// TestXAttrStore: who mounted and root learn where the store is, from the root directory
// alone; nobody else does.
func TestXAttrStore(t *testing.T) {
	s := newFakeStore()
	file := s.file(1, "a", "x")
	f := newTestFsys(t, s, nil)
	f.storeDir = "/the/store"
	ask := func(ino uint64, uid uint32) (string, fuse.Status) {
		buf := make([]byte, 100)
		in := &fuse.InHeader{NodeId: ino}
		in.Uid = uid
		n, status := f.GetXAttr(nil, in, xattrStore, buf)
		return string(buf[:n]), status
	}
	me := uint32(os.Geteuid())
	for _, c := range []struct {
		ino    uint64
		uid    uint32
		want   string
		status fuse.Status
	}{
		{1, me, "/the/store", fuse.OK},
		{1, 0, "/the/store", fuse.OK},
		{1, me + 1, "", errNoData},
		{uint64(file), me, "", errNoData},
	} {
		if got, status := ask(c.ino, c.uid); got != c.want || status != c.status {
			t.Errorf("user %d of inode %d: %q, %v", c.uid, c.ino, got, status)
		}
	}
}

// TestStoreOfNothing: what is no mount of motefs is told apart, without waiting for it.
func TestStoreOfNothing(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		dir:                              "nothing of motefs is mounted",
		filepath.Join(dir, "no", "such"): "nothing of motefs is mounted",
		"/proc":                          "of type proc, and not of motefs",
	} {
		got, err := StoreOf(path)
		if !errors.Is(err, ErrMountpoint) || !strings.Contains(err.Error(), want) || errors.Is(err, syscall.ENOTCONN) {
			t.Errorf("%s: %q, %v, want %q", path, got, err, want)
		}
	}
}
