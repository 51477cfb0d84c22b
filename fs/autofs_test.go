package fs

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/motefs/motefs/fs/fusetest/process"
)

// autofs mounts the kernel's autofs on a directory, of an automounter that is another
// process and does nothing. sprung reports whether anybody has waited for it.
func autofs(t *testing.T, dir, kind string) (sprung func() bool) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("this test is root's: it mounts autofs")
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	// The kernel takes a process group, whose members it lets pass; this one is not of it.
	cmd := process.Command("sleep", "infinity")
	cmd.SysProcAttr.Setpgid = true
	automounter := process.Start(t, cmd)
	options := fmt.Sprintf("fd=%d,pgrp=%d,minproto=5,maxproto=5,%s", pipe[1], automounter.Pid(), kind)
	err := unix.Mount("automounter", dir, autofsType, 0, options)
	unix.Close(pipe[1])
	t.Cleanup(func() {
		unix.Close(pipe[0]) // who waits for the automounter is told that there is none
		_ = unix.Unmount(dir, unix.MNT_DETACH)
	})
	switch {
	case errors.Is(err, unix.ENODEV):
		t.Skip("this kernel has no autofs")
	case err != nil:
		t.Fatal(err)
	}
	return func() bool {
		n, _ := unix.Read(pipe[0], make([]byte, 4096))
		return n > 0
	}
}

// An automounter's trap is mounted on without being sprung, and is there again once
// the mount has ended.
func TestAutofsTrap(t *testing.T) {
	for _, kind := range []string{"direct", "offset"} {
		dir := t.TempDir()
		sprung := autofs(t, dir, kind)
		if err := errors.Join(CheckMountpoint(dir, ""), CheckEmpty(dir)); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		for range 2 {
			s := tree()
			m, err := Open(t.Context(), Options{Mountpoint: dir, Store: s, Contents: newFakeContents(s, nil)})
			if err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			if got := process.MustRun(t, "cat", dir+"/a"); got != "content of a\n" {
				t.Errorf("%s: it reads %q", kind, got)
			}
			if err := CheckMountpoint(dir, ""); err == nil || !strings.Contains(err.Error(), "already mounted") {
				t.Errorf("%s: a second mount: %v", kind, err)
			}
			if err := m.Close(); err != nil {
				t.Errorf("%s: close: %v", kind, err)
			}
		}
		refuses(t, dir, "of type autofs")
		if sprung() {
			t.Errorf("%s: the automounter was asked to mount", kind)
		}
	}
}

// What a killed motefs left on a trap is cleared, and the trap is mounted on again.
func TestAutofsTrapUnderADeadMount(t *testing.T) {
	dir := t.TempDir()
	sprung := autofs(t, dir, "direct")
	c := startChild(t, "serve", dir)
	if got := c.Line(); got != "ready" {
		t.Fatalf("%q", got)
	}
	c.Kill()
	if err := errors.Join(CheckMountpoint(dir, ""), CheckEmpty(dir)); err != nil {
		t.Error(err)
	}
	if at, err := mountAt(dir); err != nil || at == nil || at.fsType != autofsType || sprung() {
		t.Errorf("the trap afterwards: %+v, %v", at, err)
	}
}

// The directory of an indirect map is the automounter's own.
func TestAutofsIndirect(t *testing.T) {
	dir := t.TempDir()
	autofs(t, dir, "indirect")
	if err := CheckMountpoint(dir, ""); !errors.Is(err, ErrMountpoint) || !strings.Contains(err.Error(), "automounter") {
		t.Error(err)
	}
}

// A directory with files in it is told of, without reading them all.
func TestCheckEmpty(t *testing.T) {
	dir := t.TempDir()
	if err := CheckEmpty(dir); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(dir+"/.hidden", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := CheckEmpty(dir); !errors.Is(err, ErrMountpoint) || !strings.Contains(err.Error(), "not empty") {
		t.Error(err)
	}
	if err := CheckEmpty(dir + "/none"); !errors.Is(err, ErrMountpoint) {
		t.Error(err)
	}
}
