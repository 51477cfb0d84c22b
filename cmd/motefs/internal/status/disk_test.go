//go:build unix

package status

import (
	"context"
	"errors"
	iofs "io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestDiskUsage: what cannot be looked into, as root's lost+found, has nothing else left out.
func TestDiskUsage(t *testing.T) {
	if os.Getenv("MOTEFS_TEST_DISK") != "" { // the test's child, which is not root, in the directory
		program, err := os.Stat(os.Args[0])
		if err != nil {
			t.Fatal(err)
		}
		total, err := diskUsage(t.Context(), ".")
		if err != nil || total < 3<<20+uint64(program.Size()) {
			t.Fatalf("%d bytes, %v", total, err)
		}
		if _, err := diskUsage(t.Context(), "lost+found"); !errors.Is(err, iofs.ErrPermission) {
			t.Fatalf("of what it may not read: %v", err)
		}
		return
	}
	dir, err := os.MkdirTemp("", "motefs")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"a", "lost+found/b", "z/c", "z/d"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(strings.Repeat("x", 1<<20)), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	shut := filepath.Join(dir, "lost+found")
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(shut, 0)); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(shut, 0o700)
	program := filepath.Join(dir, "test")
	content, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, content, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^TestDiskUsage$")
	cmd.Env, cmd.Dir = append(os.Environ(), "MOTEFS_TEST_DISK=1"), dir
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := diskUsage(ended, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("when it is not wanted any more: %v", err)
	}
}
