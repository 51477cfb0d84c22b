package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// testDisk is a small disk of its own, in memory.
type testDisk struct {
	t   *testing.T
	dir string
}

func newDisk(t *testing.T, mib int) *testDisk {
	t.Helper()
	return &testDisk{t, process.SmallDisk(t, mib)}
}

func (d *testDisk) store() string { return filepath.Join(d.dir, "store") }

func (d *testDisk) remount(options string) {
	d.t.Helper()
	process.MustRun(d.t, "mount", "-o", "remount,"+options, d.dir)
}

// fill takes all that is free, and returns the file that has it.
func (d *testDisk) fill() string {
	d.t.Helper()
	path := filepath.Join(d.dir, "filler")
	shell(d.t, `dd if=/dev/zero of="$1" bs=64k 2>/dev/null || true; dd if=/dev/zero of="$1.rest" bs=1 count=65536 2>/dev/null || true`, path)
	return path
}

// once checks that a text stands in another exactly once.
func once(t *testing.T, text, want string) {
	t.Helper()
	if n := strings.Count(text, want); n != 1 {
		t.Errorf("%q stands there %d times:\n%s", want, n, text)
	}
}

// said is all that a command printed until its end, with that status.
func said(t *testing.T, status int, args ...string) string {
	t.Helper()
	p := finish(t, status, args...)
	return p.Stdout.String() + p.Stderr.String()
}

// readsRight lists a mount, in a process of its own, and checks some of its files
// byte by byte; unless all have to be here, one may be listed alone. It returns how many are
// listed, and how many of those that it read are listed alone.
func readsRight(t *testing.T, dir string, src *serve.Synthetic, all bool) (files, alone int) {
	t.Helper()
	names := strings.Fields(shell(t, `ls -U "$1"`, dir))
	for i := 0; i < len(names); i += max(1, len(names)/50) {
		var n int64
		if _, err := fmt.Sscanf(names[i], "file-%d", &n); err != nil {
			t.Fatal(err)
		}
		switch got := shell(t, `cat "$1" 2>/dev/null || true`, filepath.Join(dir, names[i])); {
		case got == "" && !all: // there is no room for it
			alone++
		case got != string(src.Body(n)):
			t.Errorf("%s has other bytes", names[i])
		}
	}
	return len(names), alone
}

// TestFullDisk mirrors more than the disk has room for, with and without a reserve:
// a mirror ends with its status, a mount serves what it has and goes on by itself.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	fusetest.Need(t)
	for _, tc := range []struct {
		reserve   string
		files     int
		disk, few int // in MiB: with no room for half of the files, and little more
	}{{"0", 2_400, 60, 65}, {"70M", 4_800, 120, 130}} {
		reserve, files := tc.reserve, tc.files
		t.Run(reserve, func(t *testing.T) {
			src := serve.NewSynthetic(serve.SyntheticOptions{Files: int64(files), BodySize: 60_000})
			s := serveTest(t, serve.Options{}, src)
			disk := newDisk(t, tc.disk)
			out := said(t, exitDisk, "mirror", "--outage", "2s", "--reserve", reserve, "--store", disk.store(), s.URL())
			once(t, out, "nothing more is stored until there is room")
			once(t, out, "make room")
			finish(t, exitOK, "verify", "--store", disk.store())
			// What was being written when the mirror gave up is cleared away by whoever
			// opens the store next, and can write.
			disk.remount(fmt.Sprintf("size=%dm", tc.few))
			m := &mountedProcess{t: t, dir: t.TempDir(), store: disk.store()}
			t.Cleanup(m.clear)
			m = m.again(s.URL(), "--prefetch-all", "--reserve", reserve)
			m.Logs("nothing more is stored until there is room")
			if n, alone := readsRight(t, m.dir, src, false); n == 0 || n == files && alone == 0 {
				t.Errorf("of %d files %d are there, and all that were read", files, n)
			}
			disk.remount("size=1000m")
			m.Logs("the mirror is complete")
			log := m.Stderr.String()
			once(t, log, "nothing more is stored until there is room")
			once(t, log, "has room again")
			if n, _ := readsRight(t, m.dir, src, true); n != files {
				t.Errorf("of %d files %d are there", files, n)
			}
			m.Signal(os.Interrupt)
			if status := m.Wait(); status != 0 {
				t.Errorf("status %d: %s", status, m)
			}
			finish(t, exitOK, "verify", "--store", disk.store())
		})
	}
}

// TestNothingFree opens a store on a disk with not a byte left, and one that can
// only be read.
func TestNothingFree(t *testing.T) {
	t.Parallel()
	fusetest.Need(t)
	for name, spoil := range map[string]func(d *testDisk){
		"full":      func(d *testDisk) { d.fill() },
		"read only": func(d *testDisk) { d.remount("ro") },
	} {
		t.Run(name, func(t *testing.T) {
			s := serveTest(t, serve.Options{}, filesNamed("a", "d/b", "failed"))
			disk := newDisk(t, 20)
			finish(t, exitOK, "mirror", "--reserve", "0", "--store", disk.store(), s.URL())
			spoil(disk)
			finish(t, exitOK, "verify", "--store", disk.store())
			if out := said(t, exitDisk, "mirror", "--store", disk.store(), s.URL()); strings.Contains(out, "goroutine") || strings.Count(out, "\n") != 1 {
				t.Errorf("mirror says %s", out)
			}
			m := &mountedProcess{t: t, dir: t.TempDir(), store: disk.store()}
			t.Cleanup(m.clear)
			m = m.again(s.URL())
			m.Logs("nothing can be stored")
			if got := shell(t, `cd "$1"; cat a d/b; ls -l | wc -l; ls missing 2>&1 || true`, m.dir); !strings.HasPrefix(got, "body of abody of d/b") || !strings.Contains(got, "No such file") {
				t.Errorf("it serves %q", got)
			}
			m.Signal(os.Interrupt)
			if status := m.Wait(); status != 0 {
				t.Errorf("status %d: %s", status, m)
			}
		})
	}
}

// TestStoreIsRemoved takes the store away under a mount: nothing hangs, nothing is
// served that is not right, and it can be unmounted.
func TestStoreIsRemoved(t *testing.T) {
	fusetest.Need(t)
	s := serveTest(t, serve.Options{}, filesNamed("a", "b"))
	m := startMount(t, s.URL(), "--prefetch-all")
	m.Logs("mirror is complete")
	if err := os.RemoveAll(m.store); err != nil {
		t.Fatal(err)
	}
	if got := shell(t, `cd "$1"; for f in a b; do cat $f || true; done 2>/dev/null; ls >/dev/null 2>&1 || true`, m.dir); strings.TrimPrefix(strings.TrimPrefix(got, "body of a"), "body of b") != "" {
		t.Errorf("it serves %q", got)
	}
	m.Signal(os.Interrupt)
	m.Wait()
	eventually.True(t, "the mount to end", func() bool { return len(mountsBelow(m.dir)) == 0 })
}
