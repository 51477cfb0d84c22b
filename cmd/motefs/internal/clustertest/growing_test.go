package clustertest

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/process"
)

// seen is what was seen of a mirror through its mounts.
type seen struct {
	r     *run
	sums  map[string]string // of all files
	shown map[string]bool
	read  map[string]bool
}

func newSeen(r *run) *seen {
	s := &seen{r: r, sums: map[string]string{}, shown: map[string]bool{}, read: map[string]bool{}}
	for i := range r.src.Len() {
		s.sums["./"+r.src.Name(i)] = fmt.Sprintf("%x", sha256.Sum256(r.src.Body(i)))
	}
	return s
}

// look lists a mount, which may be killed meanwhile, and reads what it lists and what was listed before.
// It runs in processes of its own, as a mount may hang.
func (s *seen) look(dir string, killed func() bool) {
	t := s.r.t
	t.Helper()
	found, err := exec.Command("timeout", "60", "find", dir, "-type", "f", "-printf", "./%P\\n").Output()
	if err != nil && !killed() {
		t.Errorf("the listing fails: %v", err)
	}
	names := map[string]bool{}
	for _, name := range strings.Fields(string(found)) {
		if names[name] {
			t.Errorf("%s is listed twice", name)
		}
		if s.sums[name] == "" {
			t.Errorf("%s is no name of the origin", name)
		}
		names[name], s.shown[name] = true, true
	}
	list := ""
	for name := range s.shown {
		if !names[name] && err == nil {
			t.Errorf("%s was listed before, and is not any more", name)
		}
		list += name + "\x00"
	}
	// What is not there is told apart from what cannot be read.
	sum := exec.Command("timeout", "120", "xargs", "-0", "-r", "sha256sum", "--")
	sum.Dir, sum.Stdin = dir, strings.NewReader(list)
	sum.Env = append(os.Environ(), "LC_ALL=C")
	var said strings.Builder
	sum.Stderr = &said
	got, err := sum.Output()
	if err != nil && !killed() {
		t.Errorf("not all can be read: %v: %.500s", err, said.String())
	}
	if strings.Contains(said.String(), "No such file") {
		t.Errorf("a name is gone that was there: %.500s", said.String())
	}
	for line := range strings.Lines(string(got)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		if s.sums[name] != sum {
			t.Errorf("%q has other bytes", name)
		}
		s.read[name] = true
	}
}

// TestMountIsKilled has a mount of a mirror that grows be killed again and again, while it is listed and
// read, and mounted again. What it says is the origin's, or an error; a name that was once there
// stays; and at the end all of it is there.
func TestMountIsKilled(t *testing.T) {
	t.Parallel()
	r := newWorld(t).begin(t, 1200, 150*time.Millisecond, 300*time.Millisecond)
	for range 2 {
		r.join()
	}
	r.committed(2)
	s, store := newSeen(r), filepath.Join(t.TempDir(), "store")
	for kills := range 5 {
		// The mirror grows in each turn, and is not complete at its end.
		r.files.shut()
		at := r.count("commits")
		m := r.mountAt(store)
		var dead atomic.Bool
		looked := make(chan struct{})
		go func() { // the loop waits for it
			defer close(looked)
			s.look(m.dir, dead.Load)
		}()
		if kills%2 == 0 {
			<-looked // one that lives all the time has no error
		}
		if kills == 3 {
			lister := r.awaitLister()
			if lister == nil {
				t.Fatal("they have ended before anything happens")
			}
			r.kill(lister)
			r.join()
		}
		r.goOn()
		r.committed(at + 2)
		dead.Store(true)
		m.Kill()
		<-looked // before another directory is there in its place
		process.MustRun(t, "umount", "-l", m.dir)
	}
	if len(r.live()) == 0 {
		t.Error("the mirror was complete before the mount was killed for the last time")
	}
	r.takes(0, 0)
	r.finish()
	r.check()
	t.Logf("%d names were listed before the end, %d of them read", len(s.shown), len(s.read))
	r.mountAt(store).compare()
}
