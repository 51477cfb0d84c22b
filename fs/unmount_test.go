package fs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/process"
	"golang.org/x/sys/unix"
)

// Whoever unmounts: Wait ends without an error, and Close has nothing to do.
func TestUnmount(t *testing.T) {
	for _, helper := range []bool{false, true} {
		for name, unmount := range map[string]func(*rig) error{
			"umount":      func(r *rig) error { _, err := r.run("umount", r.dir); return err },
			"umount -l":   func(r *rig) error { _, err := r.run("umount", "-l", r.dir); return err },
			"fusermount3": func(r *rig) error { _, err := r.run("fusermount3", "-u", r.dir); return err },
			"Unmount":     func(r *rig) error { return r.m.Unmount() },
			"Close":       func(r *rig) error { return r.m.Close() },
		} {
			r := newRig(t, tree(), nil, func(o *Options) { o.helper = helper })
			r.ok("cat", r.path("a"))
			if err := unmount(r); err != nil {
				t.Errorf("%s, helper %v: %v", name, helper, err)
			}
			if err := r.m.Wait(); err != nil {
				t.Errorf("%s, helper %v: wait: %v", name, helper, err)
			}
			for range 2 {
				if err := errors.Join(r.m.Unmount(), r.m.Close(), r.m.Wait()); err != nil {
					t.Errorf("%s, helper %v: again: %v", name, helper, err)
				}
			}
			r.close()
		}
	}
}

// While the origin hangs, an unmount does not wait for it.
func TestUnmountWhileOriginHangs(t *testing.T) {
	g := newGate()
	r := newRig(t, newFakeStore(), g.fetch)
	var waiting []*process.Process
	for _, name := range []string{"a", "b", "c"} {
		c := startChild(t, "open", r.path(name))
		c.Line()
		<-g.asked
		waiting = append(waiting, c)
	}
	start := time.Now()
	if err := r.m.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("close took %v", took)
	}
	for _, c := range waiting {
		if got := c.Line(); got != "ENOTCONN" {
			t.Errorf("waiting program saw %s", got)
		}
	}
}

// A busy mount is detached: nobody new gets in, who is in goes on, and the
// server ends with the last.
func TestUnmountBusy(t *testing.T) {
	for _, helper := range []bool{false, true} {
		r := newRig(t, tree(), nil, func(o *Options) { o.helper = helper })
		c := startChild(t, "hold", r.path("big"))
		c.Line()
		if err := r.m.Unmount(); !errors.Is(err, ErrBusy) {
			t.Fatalf("helper %v: unmount: %v", helper, err)
		}
		if err := r.m.Unmount(); err != nil {
			t.Errorf("helper %v: again: %v", helper, err)
		}
		if got := r.ok("ls", r.dir); got != "" {
			t.Errorf("helper %v: still there: %q", helper, got)
		}
		c.Stdin.Write([]byte("x"))
		if got := c.Line(); got != "read" {
			t.Errorf("helper %v: program in the mount: %s", helper, got)
		}
		select {
		case <-r.m.Done():
			t.Errorf("helper %v: server ended under its user", helper)
		default:
		}
		c.Stdin.Close()
		if err := r.m.Wait(); err != nil {
			t.Errorf("helper %v: wait: %v", helper, err)
		}
		c.Kill()
		r.close()
	}
}

// Close does not wait for the last user.
func TestCloseBusy(t *testing.T) {
	s := newFakeStore()
	s.file(cache.RootInode, "big", strings.Repeat("x", 4<<20))
	r := newRig(t, s, nil)
	c := startChild(t, "hold", r.path("big"))
	c.Line()
	start := time.Now()
	if err := r.m.Close(); !errors.Is(err, ErrBusy) {
		t.Errorf("close: %v", err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("close took %v", took)
	}
	c.Stdin.Write([]byte("x"))
	if got := c.Line(); got != "ENOTCONN" && got != "ECONNABORTED" {
		t.Errorf("program in the mount: %s", got)
	}
}

// An aborted connection leaves a dead mount, which is cleared.
func TestAborted(t *testing.T) {
	r := newRig(t, tree(), nil)
	r.log.expect("dead mount cleared")
	if err := r.m.control.abort(); err != nil {
		t.Fatal(err)
	}
	if err := r.m.Wait(); !errors.Is(err, ErrAborted) {
		t.Errorf("wait: %v", err)
	}
	if got := r.ok("ls", r.dir); got != "" {
		t.Errorf("ls: %q", got)
	}
	// As where it ends while Close finds that it has not.
	if err := r.m.control.abort(); err != nil {
		t.Errorf("one that has ended: %v", err)
	}
}

// What a killed program left is cleared by the next start.
func TestDeadMount(t *testing.T) {
	fusetest.Need(t)
	dir := t.TempDir()
	c := startChild(t, "serve", dir)
	if got := c.Line(); got != "ready" {
		t.Fatalf("%q", got)
	}
	if err := CheckMountpoint(dir, ""); !errors.Is(err, ErrMountpoint) || !strings.Contains(err.Error(), "already mounted") {
		t.Errorf("live mount: %v", err)
	}
	process.MustRun(t, "ls", "-l", dir)
	c.Kill()
	// The kernel still has the attributes of the root, so that stat cannot tell.
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("stat of a dead mount: %v", err)
	}
	if _, err := os.ReadDir(dir); !errors.Is(err, unix.ENOTCONN) {
		t.Errorf("readdir of a dead mount: %v", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if err := CheckMountpoint(link, ""); err != nil {
		t.Errorf("dead mount: %v", err)
	}
	if at, err := mountAt(dir); err != nil || at != nil {
		t.Errorf("still there: %v, %v", at, err)
	}
}

// A program that this process started keeps no connection open when this
// process dies: its children do not inherit the descriptor.
func TestNoInheritedConnection(t *testing.T) {
	for _, helper := range []bool{false, true} {
		r := newRig(t, tree(), nil, func(o *Options) { o.helper = helper })
		if out := r.ok("ls", "-l", "/proc/self/fd"); strings.Contains(out, devFuse) {
			t.Errorf("helper %v: %s", helper, out)
		}
		r.close()
	}
}

// A mount that is gone and aborted all the same leaves the one alone that has its device by now.
func TestAbortedTooLate(t *testing.T) {
	for try := range 20 {
		first := newRig(t, tree(), nil)
		dev, late := first.m.dev, openControl(first.m.dev)
		if err := first.m.Close(); err != nil {
			t.Fatal(err)
		}
		second := newRig(t, tree(), nil)
		if err := late.abort(); err != nil {
			t.Fatal(err)
		}
		late.close()
		if got := second.ok("cat", second.path("empty")); got != "" {
			t.Errorf("it reads %q", got)
		}
		second.close()
		if second.m.dev == dev {
			t.Logf("after %d", try)
			return
		}
	}
	t.Log("no mount had the device of the one before it")
}
