package serve

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// asNobody runs f on a thread that has no special rights to files, so that
// permissions can be tested as root too.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if os.Geteuid() == 0 {
			runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
			const nobody = 65534
			if _, _, errno := syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0); errno != 0 {
				t.Errorf("setfsuid: %v", errno)
				return
			}
		}
		f()
	}()
	<-done
}

// TestTreeUnreadable checks that a listing with a hole in it is an error, and
// that a file which cannot be read is not said to be absent.
func TestTreeUnreadable(t *testing.T) {
	dir := makeTree(t, "a", "b/c", "d")
	tree := openTree(t, dir)
	for _, name := range []string{"b", "d"} {
		if err := os.Chmod(filepath.Join(dir, name), 0); err != nil {
			t.Fatal(err)
		}
	}
	asNobody(t, func() {
		if _, err := tree.Page("", 10, func([]byte) {}); !errors.Is(err, os.ErrPermission) {
			t.Errorf("listing: %v", err)
		}
		for _, name := range []string{"b/c", "d"} {
			if err := tree.Get([]byte(name), &Object{}); !errors.Is(err, os.ErrPermission) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	if err := os.Chmod(filepath.Join(dir, "b"), 0o777); err != nil {
		t.Fatal(err)
	}
}
