package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestUnmountWhileReadersWait holds the origin's file back while one reader waits
// for its bytes, another for a part of it.
// Ctrl-C ends all of them. SEMANTICS.md says within two seconds; that this is so
// is in the log, since a test of a busy machine cannot promise it.
func TestUnmountWhileReadersWait(t *testing.T) {
	t.Parallel()
	const size = 64 << 20
	s, h := serveHeld(t, size, 1<<20)
	m := startMount(t, s.URL())
	m.Logs("every name is listed")
	held := filepath.Join(m.dir, largeName)
	if got := process.MustRun(t, "head", "-c", "4096", held); got != string(h.Content(0, 0, 4096)) {
		t.Error("the first bytes read wrong")
	}
	s.SetFaults(origintest.Faults{OnGet: func([]byte, int) origintest.Fault { return origintest.Fault{Mode: origintest.Hang} }})
	before := s.Counts().Gets
	readers := []*process.Process{
		process.Start(t, process.Command("sh", "-c", `exec 3<"$1"; echo open; cat <&3 >/dev/null`, "sh", held)),
		process.Start(t, process.Command("sh", "-c", `exec 3<"$1"; echo open; tail -c 4096 <&3 >/dev/null`, "sh", held)),
	}
	for _, r := range readers {
		r.Says("open")
	}
	eventually.True(t, "the part is asked for", func() bool { return s.Counts().Gets > before })
	p := finish(t, exitMountpoint, "unmount", m.dir)
	if !strings.Contains(p.Stderr.String(), "in use") {
		t.Errorf("unmount says %s", p)
	}
	start := time.Now()
	m.Signal(os.Interrupt)
	if status := m.Wait(); status != 0 || len(mountsBelow(m.dir)) > 0 {
		t.Errorf("status %d, mounts %q:\n%s", status, mountsBelow(m.dir), m.Stderr)
	}
	t.Logf("unmounted after %v", time.Since(start))
	for _, r := range readers {
		if r.Wait() == 0 {
			t.Errorf("a reader of what never came ends well: %s", r)
		}
	}
}

// TestUnmountRefusesOthers leaves alone what motefs did not mount.
func TestUnmountRefusesOthers(t *testing.T) {
	for dir, why := range map[string]string{"/proc": "of type proc", t.TempDir(): "nothing is mounted"} {
		if p := finish(t, exitMountpoint, "unmount", dir); !strings.Contains(p.Stderr.String(), why) {
			t.Errorf("unmount %s says %s", dir, p)
		}
	}
}

// TestUnmountDeadMount ends what a killed motefs left.
func TestUnmountDeadMount(t *testing.T) {
	s := serveTest(t, serve.Options{}, synthetic(10))
	m := startMount(t, s.URL())
	m.Signal(os.Kill)
	m.Wait()
	finish(t, exitOK, "unmount", m.dir)
	if left := mountsBelow(m.dir); len(left) > 0 {
		t.Errorf("still mounted: %q", left)
	}
}

// TestUnmountOfABindMount unmounts at one of two places: that is said, and not waited for.
func TestUnmountOfABindMount(t *testing.T) {
	needRoot(t)
	src, s := fewDirs(t)
	m := startMount(t, s.URL())
	m.Logs("every name is listed")
	at := bind(t, m.dir)
	p := finish(t, exitOK, "unmount", m.dir)
	if text := p.Stderr.String(); !strings.Contains(text, "still mounted at "+at) {
		t.Errorf("unmount says %q", text)
	}
	if got := shell(t, `cat "$1/$2"`, at, src.Name(5)); got != string(src.Body(5)) {
		t.Errorf("at the other place it reads %q", got)
	}
	if p := finish(t, exitOK, "unmount", at); p.Stderr.String() != "" {
		t.Errorf("unmount says %q", p.Stderr)
	}
	m.ended()
}
