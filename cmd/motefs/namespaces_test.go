package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// startUser starts a program that ends in a shell which stays in a mount or in a
// namespace while something becomes of it.
func startUser(t *testing.T, name string, args ...string) *process.Process {
	t.Helper()
	need(t, name)
	return process.Start(t, process.Command(name, args...))
}

// fewDirs is an origin with ten directories, all in the store once the mount is
// complete.
func fewDirs(t *testing.T) (*serve.Synthetic, *origintest.Server) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 100, FilesPerDir: 10})
	return src, serveTest(t, serve.Options{}, src)
}

// bind shows a directory at another place until the test ends.
func bind(t *testing.T, dir string) string {
	t.Helper()
	at := t.TempDir()
	process.MustRun(t, "mount", "--bind", dir, at)
	t.Cleanup(func() { _, _ = process.Run(t, "umount", "-l", at) })
	return at
}

// TestBindMounts shows a mount and a directory of it at other places. They live on
// when the mount is unmounted, and motefs with them; Ctrl-C ends them all.
func TestBindMounts(t *testing.T) {
	t.Parallel()
	src, s := fewDirs(t)
	for _, how := range []string{"the last bind mount is unmounted", "Ctrl-C"} {
		t.Run(how, func(t *testing.T) {
			m := startMount(t, s.URL(), "--prefetch-all")
			m.Logs("mirror is complete")
			all := bind(t, m.dir)
			some := bind(t, filepath.Join(m.dir, "d000003"))
			read := func() {
				t.Helper()
				if got := shell(t, `cat "$1/$2"; cat "$3"/*5; ls "$3" | wc -l`, all, src.Name(7), some); got != string(src.Body(7))+string(src.Body(35))+"10\n" {
					t.Errorf("through bind mounts one reads %q", got)
				}
			}
			read()
			process.MustRun(t, "umount", m.dir)
			if left := mountsBelow(m.dir); len(left) > 0 {
				t.Errorf("still mounted: %q", left)
			}
			read()
			if how == "Ctrl-C" {
				m.Signal(os.Interrupt)
				m.ended()
				out, err := process.Run(t, "ls", filepath.Join(all, "d000009"))
				if err == nil || !strings.Contains(out, "Transport endpoint is not connected") {
					t.Errorf("a bind mount of what has ended: %v, %s", err, out)
				}
				return
			}
			process.MustRun(t, "umount", all)
			process.MustRun(t, "umount", some)
			m.ended()
		})
	}
}

// TestCtrlCWhileABindMountLives ends motefs first: it unmounts its own mount, and
// the bind mount is dead from then on.
func TestCtrlCWhileABindMountLives(t *testing.T) {
	_, s := fewDirs(t)
	m := startMount(t, s.URL(), "--prefetch-all")
	m.Logs("mirror is complete")
	all := bind(t, m.dir)
	m.Signal(os.Interrupt)
	m.ended()
	if out, err := process.Run(t, "ls", all); err == nil || !strings.Contains(out, "Transport endpoint is not connected") {
		t.Errorf("a bind mount of what has ended: %v, %s", err, out)
	}
	process.MustRun(t, "umount", all)
	again := m.again(s.URL())
	again.stop()
}

// TestMountNamespace has a program in a mount namespace of its own. It sees the
// mounts of before, and keeps them when they are unmounted outside.
func TestMountNamespace(t *testing.T) {
	t.Parallel()
	src, s := fewDirs(t)
	for _, how := range []string{"the program leaves", "Ctrl-C"} {
		t.Run(how, func(t *testing.T) {
			m := startMount(t, s.URL(), "--prefetch-all")
			m.Logs("mirror is complete")
			inside := startUser(t, "unshare", "-m", "sh")
			cat := func(i int64) string { return fmt.Sprintf("cat '%s/%s'", m.dir, src.Name(i)) }
			if got := inside.Eval(cat(5)); got != string(src.Body(5)) {
				t.Errorf("inside one reads %q", got)
			}
			process.MustRun(t, "umount", m.dir)
			if left := mountsBelow(m.dir); len(left) > 0 {
				t.Errorf("still mounted outside: %q", left)
			}
			if got := inside.Eval(cat(55)); got != string(src.Body(55)) {
				t.Errorf("inside one reads %q after the unmount outside", got)
			}
			if how == "Ctrl-C" {
				m.Signal(os.Interrupt)
				m.ended()
				if got := inside.Eval(cat(95)); !strings.Contains(got, "Transport endpoint is not connected") {
					t.Errorf("inside one reads %q of what has ended", got)
				}
			}
			inside.Kill()
			m.ended()
		})
	}
}

// TestUnmountWhileANamespaceHoldsIt ends motefs by a signal alone.
func TestUnmountWhileANamespaceHoldsIt(t *testing.T) {
	src, s := fewDirs(t)
	m := startMount(t, s.URL())
	m.Logs("every name is listed")
	inside := startUser(t, "unshare", "-m", "sh")
	inside.Eval(fmt.Sprintf("exec 3<'%s/%s'", m.dir, src.Name(5)))
	m.Signal(syscall.SIGTERM)
	m.ended()
	if got := inside.Eval("ls " + m.dir); !strings.Contains(got, "Transport endpoint is not connected") {
		t.Errorf("inside one sees %q", got)
	}
}
