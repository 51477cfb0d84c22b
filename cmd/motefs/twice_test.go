package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// state is every file below dir: its name, inode, length, times and content. Of LOCK
// the times are left out, as asking for the lock sets them.
func state(t *testing.T, dir string) string {
	t.Helper()
	return shell(t, `cd "$1"; find . ! -path ./LOCK -printf '%P %i %s %T@ %C@\n' | sort; find . -type f -print0 | sort -z | xargs -0 sha256sum`, dir)
}

// TestTwoProcessesOneStore has a second process open a store that a mount holds. It
// says who does, and changes nothing; once the first was killed it gets in at once.
func TestTwoProcessesOneStore(t *testing.T) {
	t.Parallel()
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 1000, LargeEvery: 100, LargeSize: 100_000})
	s := serveTest(t, serve.Options{}, src)
	m := startMount(t, s.URL(), "--prefetch-all")
	m.Logs("mirror is complete")
	m.stop()
	m = m.again(s.URL()) // which has nothing to write
	before, other := state(t, m.store), t.TempDir()
	for _, args := range [][]string{
		{"mirror", "--store", m.store, s.URL()},
		{"mount", "--store", m.store, s.URL(), other},
		{"verify", "--reclaim", "--store", m.store},
		{"verify", "--repair", "--store", m.store},
	} {
		p := finish(t, exitStore, args...)
		if text := p.Stderr.String(); !strings.Contains(text, fmt.Sprint("process ", m.Pid(), " on ")) || len(lines(text)) != 1 || p.Stdout.String() != "" {
			t.Errorf("%q says %s", args, p)
		}
	}
	p := finish(t, exitOK, "verify", "--store", m.store) // beside the mount
	if text := p.Stdout.String(); !strings.Contains(text, "the store is sound") || !strings.Contains(text, "a process holds it") {
		t.Errorf("beside the mount: %s", p)
	}
	if st := asked(t, m.dir); *st.PID != m.Pid() {
		t.Errorf("the mount serves its status no more: %+v", st)
	}
	if after := state(t, m.store); after != before {
		t.Errorf("the store was\n%sand is\n%s", before, after)
	}
	if got := shell(t, `cat "$1/$2"`, m.dir, src.Name(7)); got != string(src.Body(7)) {
		t.Errorf("the mount then reads %q", got)
	}
	m.Signal(os.Kill)
	m.Wait()
	finish(t, exitOK, "mirror", "--store", m.store, s.URL())
	finish(t, exitOK, "verify", "--store", m.store)
}

// TestTwoMountsOneMountpoint mounts where a mount is. The second says so, makes no
// store, and the first serves on.
func TestTwoMountsOneMountpoint(t *testing.T) {
	src := synthetic(100)
	s := serveTest(t, serve.Options{}, src)
	m := startMount(t, s.URL())
	store := filepath.Join(t.TempDir(), "store")
	p := finish(t, exitMountpoint, "mount", "--store", store, s.URL(), m.dir)
	if text := p.Stderr.String(); !strings.Contains(text, m.dir) || !strings.Contains(text, "already mounted: "+s.URL()) || len(lines(text)) != 1 {
		t.Errorf("it says %s", p)
	}
	if _, err := os.Stat(store); !os.IsNotExist(err) {
		t.Errorf("the second one's store: %v", err)
	}
	if got := shell(t, `cat "$1/$2"`, m.dir, src.Name(7)); got != string(src.Body(7)) || len(mountsBelow(m.dir)) != 1 {
		t.Errorf("the first then reads %q, mounts %q", got, mountsBelow(m.dir))
	}
	m.stop()
}

// TestVerifyBesideAMirror: what is read while a mirror writes is sound, or is called uncertain,
// and never damaged.
func TestVerifyBesideAMirror(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 1_000_000, LargeEvery: 200, LargeSize: 70_000})
	s := serveTest(t, serve.Options{}, src)
	store := filepath.Join(t.TempDir(), "store")
	mirror := start(t, "mirror", "--limit-files", "2000", "--store", store, s.URL())
	eventually.True(t, "files are on the disk", func() bool {
		p := start(t, "verify", "--store", store)
		return p.Wait() == exitOK && !strings.Contains(p.Stdout.String(), "store is sound, and empty")
	})
	sound := 0
	for range 10 {
		p := start(t, "verify", "--store", store)
		switch status := p.Wait(); {
		case status == exitOK && strings.Contains(p.Stdout.String(), "the store is sound"):
			sound++
		case status != exitStore || !strings.Contains(p.Stderr.String(), fmt.Sprint("process ", mirror.Pid())):
			t.Errorf("status %d: %s", status, p)
		}
	}
	if sound == 0 {
		t.Error("it was never found sound")
	}
	mirror.Signal(os.Interrupt)
	if status := mirror.Wait(); status != exitInterrupted {
		t.Errorf("the mirror was over before: %s", mirror)
	}
	finish(t, exitOK, "verify", "--store", store)
}
