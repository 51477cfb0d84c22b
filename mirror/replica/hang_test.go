package replica

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/passthrough"
	"github.com/motefs/motefs/fs/fusetest/process"
)

// hangPatience is that of the mount, which hears of each hang only then.
const hangPatience = "2s"

// TestMountOfAFolderThatHangs has the filesystem with the mirror not answer: what is here is served, what is
// not is an error that is no answer, the mount ends when it is told to, and once it answers all comes.
func TestMountOfAFolderThatHangs(t *testing.T) {
	fusetest.Need(t)
	at := t.TempDir()
	objects, err := newFolder(filepath.Join(at, "objects"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = objects.Close() })
	w := newWorld(t, 51, objects, worldOptions{files: 500, flat: true})
	for range 4 {
		w.grow(100)
	}
	w.seal(nil)
	shared, store := t.TempDir(), filepath.Join(at, "store")
	shown := passthrough.Start(t, childVar, partShow, filepath.Join(at, "objects"), shared)
	m := mount(t, shared, store, hangPatience)
	here, missing := w.listing[0].Origin, w.listing[250].Origin
	cat := func(name string) {
		t.Helper()
		if process.MustRun(t, "cat", filepath.Join(m.dir, name)) != string(w.truth[name].content) {
			t.Errorf("%q is another", name)
		}
	}
	cat(here)
	eventually.True(t, "all names are here", func() bool { s := m.status(); return s.NamesHere == s.Segments })

	shown.Hang()
	process.MustFail(t, "Input/output error", "cat", filepath.Join(m.dir, missing))
	cat(here)
	if n := len(strings.Fields(process.MustRun(t, "ls", "-U", m.dir))); n != 400 {
		t.Errorf("ls shows %d names", n)
	}
	eventually.True(t, "it is known to be away", func() bool { return m.status().Away })
	process.MustFail(t, "No such file", "cat", filepath.Join(m.dir, "nobody"))

	shown.Answer()
	w.grow(100)
	w.seal(nil)
	eventually.True(t, "what is missing comes", func() bool { // which may take a slow machine longer than the patience
		_, err := process.Run(t, "cat", filepath.Join(m.dir, missing))
		return err == nil
	})
	cat(missing)
	eventually.True(t, "what is new shows up", func() bool { return m.status().Complete })
	cat(w.listing[499].Origin)

	// It ends while a read and the poll hang.
	shown.Hang()
	process.MustFail(t, "Input/output error", "cat", filepath.Join(m.dir, w.listing[150].Origin))
	m.end()
}
