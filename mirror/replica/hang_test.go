package replica

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/passthrough"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/segments"
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

// TestInterruptedList has ls wait for names that a filesystem does not hand out, for as long as it takes. It
// ends at once where it is interrupted or killed.
func TestInterruptedList(t *testing.T) {
	fusetest.Need(t)
	at := t.TempDir()
	objects, err := newFolder(filepath.Join(at, "objects"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = objects.Close() })
	w := newWorld(t, 52, objects, worldOptions{files: 200, flat: true})
	w.grow(100)
	w.finish(100)
	lacking := filepath.Join(at, "objects", filepath.FromSlash(segments.NamesName(0)))
	if err := os.Remove(lacking); err != nil {
		t.Fatal(err)
	}
	shared := t.TempDir()
	shown := passthrough.Start(t, childVar, partShow, filepath.Join(at, "objects"), shared)
	m := mount(t, shared, filepath.Join(at, "store"), "1h")
	eventually.True(t, "the names that are there", func() bool { return m.status().NamesHere == 1 })
	shown.Hang()
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		ls := process.Start(t, process.Command("ls", "-U", m.dir))
		eventually.True(t, "it waits", func() bool { return inRequest(ls.Pid()) })
		ls.Signal(signal)
		if ls.Wait(); ls.Stdout.String() != "" || ls.Stderr.String() != "" {
			t.Errorf("%v: it did not wait: %s", signal, ls)
		}
	}
	shown.Answer()
}

// inRequest reports whether a process waits for the answer of a mount.
func inRequest(pid int) bool {
	at, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "wchan"))
	return strings.Contains(string(at), "request_wait_answer") || strings.Contains(string(at), "fuse")
}
