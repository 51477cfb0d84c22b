package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/process"
)

// TestTemporaryFilesArePrivate runs the demo without a umask: what it puts into the
// directory for temporary files is in one of its own, which nobody else can enter,
// and is gone at the end.
func TestTemporaryFilesArePrivate(t *testing.T) {
	t.Parallel()
	fusetest.Need(t)
	tmp := t.TempDir()
	if err := os.Chmod(tmp, 0o777); err != nil {
		t.Fatal(err)
	}
	cmd := motefs(t, "demo", "--files", "100000")
	cmd.Args = append([]string{"sh", "-c", `umask 0; exec "$@"`, "sh"}, cmd.Args...)
	cmd.Path = "/bin/sh"
	cmd.Env = append(cmd.Env, "TMPDIR="+tmp)
	p := process.Start(t, cmd)
	p.Says("mounted at")
	p.Signal(syscall.SIGSTOP)
	found, err := os.ReadDir(tmp)
	if err != nil || len(found) != 1 {
		t.Errorf("%d directories while it runs: %v", len(found), err)
	}
	for _, entry := range found {
		info, err := os.Lstat(filepath.Join(tmp, entry.Name()))
		if err != nil || info.Mode() != os.ModeDir|0o700 {
			t.Errorf("%v, %v", info, err)
		}
	}
	p.Signal(syscall.SIGCONT)
	if status := p.Wait(); status != exitOK {
		t.Errorf("status %d: %s", status, p)
	}
	if found, err := os.ReadDir(tmp); err != nil || len(found) > 0 {
		t.Errorf("left behind: %v, %v", found, err)
	}
}
