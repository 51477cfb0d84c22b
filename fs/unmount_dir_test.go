package fs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/process"
)

// refuses checks that dir is not unmounted, and why.
func refuses(t *testing.T, dir, why string) {
	t.Helper()
	if err := Unmount(dir); !errors.Is(err, ErrMountpoint) || !strings.Contains(err.Error(), why) {
		t.Errorf("unmount %s: %v; want %q", dir, err, why)
	}
}

// Unmount ends mounts of motefs, by whatever name, and nothing else.
func TestUnmountDirectory(t *testing.T) {
	r := newRig(t, tree(), nil)
	links := t.TempDir()
	link, away := filepath.Join(links, "link"), filepath.Join(links, "away")
	if err := errors.Join(os.Symlink(r.dir, link), os.Symlink("/proc", away)); err != nil {
		t.Fatal(err)
	}
	refuses(t, links, "nothing is mounted")
	refuses(t, r.path("dir"), "nothing is mounted")
	refuses(t, "/proc", "of type proc")
	refuses(t, away, "of type proc")
	refuses(t, filepath.Join(links, "none", "deeper"), "nothing is mounted")
	c := startChild(t, "hold", r.path("big"))
	c.Line()
	refuses(t, link, "in use")
	if err := Unmount(r.dir); !errors.Is(err, ErrBusy) {
		t.Errorf("unmount of a mount in use: %v", err)
	}
	c.Stdin.Close()
	c.Wait()
	if err := Unmount(link); err != nil {
		t.Errorf("unmount by a link: %v", err)
	}
	if err := r.m.Wait(); err != nil {
		t.Errorf("wait: %v", err)
	}
	refuses(t, link, "nothing is mounted")
}

// What is mounted over a mount of motefs is not taken for it.
func TestUnmountLooksAtTheTopmost(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("this test is root's: it mounts a tmpfs")
	}
	r := newRig(t, tree(), nil)
	if err := unix.Mount("over", r.dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	refuses(t, r.dir, "over of type tmpfs")
	if err := unix.Unmount(r.dir, 0); err != nil {
		t.Fatal(err)
	}
	if err := Unmount(r.dir); err != nil {
		t.Error(err)
	}
}

// A dead mount is taken away also from under those who stand in it.
func TestUnmountDeadDirectory(t *testing.T) {
	fusetest.Need(t)
	dir := t.TempDir()
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	c := startChild(t, "serve", dir)
	if got := c.Line(); got != "ready" {
		t.Fatalf("%q", got)
	}
	inside := process.Start(t, process.Command("sh", "-c", `cd "$1"; echo there; read go`, "sh", dir))
	inside.Says("there")
	c.Kill()
	if err := CheckMountpoint(filepath.Join(dir, "sub", "sub"), ""); !errors.Is(err, ErrMountpoint) ||
		!strings.Contains(err.Error(), "nobody serves") {
		t.Errorf("a mountpoint in a dead mount: %v", err)
	}
	if err := Unmount(dir); err != nil {
		t.Errorf("unmount of a dead mount: %v", err)
	}
	refuses(t, dir, "nothing is mounted")
}
