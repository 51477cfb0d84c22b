package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestPlanted mounts a store, and does to it what TestCheckersBite tells it to.
func TestPlanted(t *testing.T) {
	fault := os.Getenv(process.Plant)
	if fault == "" {
		return // it is there for TestCheckersBite
	}
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 30, BodySize: 100_000})
	s := serveTest(t, serve.Options{}, src)
	dir, err := os.MkdirTemp("", "mount-") // which nobody clears away
	if err != nil {
		t.Fatal(err)
	}
	m := &mountedProcess{t: t, dir: dir, store: filepath.Join(t.TempDir(), "store")}
	m = m.again(s.URL(), "--prefetch-all")
	m.Logs("mirror is complete")
	switch fault {
	case "mount":
		m.Signal(syscall.SIGKILL)
		m.Wait()
		return
	case "byte":
		m.stop()
		blobs := lines(shell(t, `ls "$1"/blobs/*/*`, m.store))
		damage(t, blobs[3])
		m = m.again(s.URL())
	}
	for i := range src.Len() {
		if got := shell(t, `cat "$1" || true`, filepath.Join(m.dir, src.Name(i))); got != string(src.Body(i)) {
			t.Errorf("%s has other bytes", src.Name(i))
		}
	}
	m.stop()
	finish(t, exitOK, "verify", "--store", m.store)
}

// TestCheckersBite has these tests notice a mount that is left behind, and a wrong byte,
// which readers and verify find by themselves.
func TestCheckersBite(t *testing.T) {
	fusetest.Need(t)
	t.Setenv(givenBinary, binary)
	process.Bites(t, "nothing")
	process.Bites(t, "mount", "mounts left behind")
	process.Bites(t, "byte", "has other bytes", "problem:")
	for _, dir := range mountsBelow(os.TempDir()) {
		if strings.Contains(dir, "/mount-") {
			process.MustRun(t, "umount", "-l", dir)
		}
	}
}
