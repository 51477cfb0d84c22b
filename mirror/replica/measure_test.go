package replica

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/process"
)

// TestMeasure makes a mirror of as many files as MOTEFS_MEASURE_REPLICA says, of 100 bytes, in
// segments of 65,536, and prints what a mount of it takes. It asserts nothing.
func TestMeasure(t *testing.T) {
	files, err := strconv.Atoi(os.Getenv("MOTEFS_MEASURE_REPLICA"))
	if err != nil {
		return // nobody measures
	}
	fusetest.Need(t)
	at := t.TempDir()
	objects, err := newFolder(filepath.Join(at, "objects"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = objects.Close() })
	name := func(k int) string { return fmt.Sprintf("d%03d/e%02d/f%08d", k/50_000, k/1000%50, k) }
	w := newWorld(t, 31, objects, worldOptions{})
	began := time.Now()
	for from := 0; from < files; from += 1 << 16 {
		n := min(files-from, 1<<16)
		w.listing, w.listed = w.listing[:0], 0
		clear(w.truth)
		clear(w.readyOf)
		for k := from; k < from+n; k++ {
			w.listing = append(w.listing, cache.Name{Origin: name(k), Size: -1})
			w.truth[name(k)] = truth{content: fmt.Appendf(nil, "%0100d", k), modTime: 1_500_000_000}
		}
		if from+n < files { // there is more
			w.listing = append(w.listing, cache.Name{})
		}
		w.grow(n)
		w.seal(nil)
	}
	t.Logf("made in %v", time.Since(began))
	timed := func(what string, fn func()) {
		began := time.Now()
		fn()
		t.Logf("%-40s %v", what, time.Since(began).Round(time.Millisecond))
	}
	store := filepath.Join(at, "store")
	var m *mounted
	report := func() {
		s := m.status()
		t.Logf("  names of %d of %d segments, %d tables, %d bytes downloaded", s.NamesHere, s.Segments, s.Contents, s.Downloaded)
	}
	middle := filepath.Dir(name(files / 2))
	timed("ready", func() { m = mount(t, filepath.Join(at, "objects"), store) })
	timed("first ls of a directory of 1,000", func() { process.MustRun(t, "ls", "-U", filepath.Join(m.dir, middle)) })
	report()
	timed("cold cat", func() { process.MustRun(t, "cat", filepath.Join(m.dir, name(files/2))) })
	report()
	timed("ls of the root", func() { process.MustRun(t, "ls", "-U", m.dir) })
	report()
	timed("all names", func() {
		for s := m.status(); s.NamesHere < s.Segments; s = m.status() {
			time.Sleep(10 * time.Millisecond)
		}
	})
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmHWM") || strings.HasPrefix(line, "RssAnon") {
			t.Log(strings.TrimSpace(line))
		}
	}
	m.end()
	timed("ready again", func() { m = mount(t, filepath.Join(at, "objects"), store) })
	timed("ls", func() { process.MustRun(t, "ls", "-U", filepath.Join(m.dir, middle)) })
	timed("cat", func() { process.MustRun(t, "cat", filepath.Join(m.dir, name(files/2))) })
	m.end()
}
