package replica

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
)

// mounted is a process that serves a mount of a replica.
type mounted struct {
	*process.Process
	t   *testing.T
	dir string
}

func mount(t *testing.T, objects, store string, patience ...string) *mounted {
	t.Helper()
	m := &mounted{t: t, dir: t.TempDir()}
	m.Process = process.Start(t, process.Self(t, childVar, partMount, append([]string{objects, store, m.dir}, patience...)...))
	if line := m.Line(); line != "mounted" {
		t.Fatal(line)
	}
	t.Cleanup(func() {
		if !m.Ended() {
			m.end()
		}
	})
	return m
}

func (m *mounted) end() {
	m.t.Helper()
	m.Signal(syscall.SIGTERM)
	if status := m.Wait(); status != 0 {
		m.t.Errorf("status %d: %s", status, m.Process)
	}
}

func (m *mounted) status() (s Status) {
	m.t.Helper()
	if _, err := fmt.Fprintln(m.Stdin); err != nil {
		m.t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(m.Line()), &s); err != nil {
		m.t.Fatal(err)
	}
	return s
}

// TestMountOfAMirrorInSegments mounts a mirror of many files while it grows: the first ls, a
// cold cat that brings the contents of one segment, new files that show up, and a restart
// without the object store.
func TestMountOfAMirrorInSegments(t *testing.T) {
	fusetest.Need(t)
	files := 10_000
	if os.Getenv("MOTEFS_TEST_LONG") != "" {
		files = 100_000
	}
	at := t.TempDir()
	objects, err := newFolder(filepath.Join(at, "objects"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = objects.Close() })
	w := newWorld(t, 21, objects, worldOptions{files: files})
	for range 4 {
		w.grow(files / 5)
	}
	w.seal(nil)
	store := filepath.Join(at, "store")
	m := mount(t, filepath.Join(at, "objects"), store)

	// ls is what the truth is.
	top := map[string]bool{}
	for name := range w.sealed {
		first, _, _ := strings.Cut(name, "/")
		top[first] = true
	}
	shown := strings.Fields(process.MustRun(t, "ls", "-U", m.dir))
	if len(shown) != len(top) || slices.ContainsFunc(shown, func(name string) bool { return !top[name] }) {
		t.Errorf("ls shows %d names, and %d are listed", len(shown), len(top))
	}
	// A cold cat brings one table.
	if s := m.status(); s.Contents != 0 {
		t.Errorf("ls brings contents: %+v", s)
	}
	name := w.listing[files/2].Origin
	cat := func(m *mounted, name string) string {
		t.Helper()
		return process.MustRun(t, "cat", filepath.Join(m.dir, name))
	}
	if cat(m, name) != string(w.truth[name].content) {
		t.Errorf("%q is another", name)
	}
	if s := m.status(); s.Contents != 1 || s.ContentsHere != 1 {
		t.Errorf("a cold cat: %+v", s)
	}
	process.MustFail(t, "No such file", "cat", filepath.Join(m.dir, "nobody"))

	// What is new shows up.
	late := w.listing[files-1].Origin
	process.MustFail(t, "No such file", "cat", filepath.Join(m.dir, late))
	w.finish(files / 5)
	eventually.True(t, "the new segment is there", func() bool { return m.status().Complete })
	if cat(m, late) != string(w.truth[late].content) {
		t.Errorf("%q is another", late)
	}
	eventually.True(t, "all names are here", func() bool { s := m.status(); return s.NamesHere == s.Segments })
	if n := strings.Count(process.MustRun(t, "find", m.dir, "-type", "f"), "\n"); n != files {
		t.Errorf("find shows %d files of %d", n, files)
	}
	m.end()

	// Without the object store what is here is served, and the rest is an error that is
	// no answer.
	if err := os.Rename(filepath.Join(at, "objects", "contents"), filepath.Join(at, "objects", "gone")); err != nil {
		t.Fatal(err)
	}
	m = mount(t, filepath.Join(at, "objects"), store)
	if cat(m, name) != string(w.truth[name].content) || cat(m, late) != string(w.truth[late].content) {
		t.Error("what was brought is another after a restart")
	}
	process.MustFail(t, "Input/output error", "cat", filepath.Join(m.dir, w.listing[0].Origin))
	if n := strings.Count(process.MustRun(t, "find", m.dir, "-type", "f"), "\n"); n != files {
		t.Errorf("find shows %d files of %d", n, files)
	}
	m.end()
}
