package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// automount starts Debian's automounter with a map of mountpoints and one of a directory
// of them; what is not used for a second is unmounted.
func automount(t *testing.T, direct, indirectDir, indirect string) *process.Process {
	t.Helper()
	need(t, "automount")
	maps := t.TempDir()
	master := ""
	add := func(at, name, text string) {
		write(t, filepath.Join(maps, name), []byte(text+"\n"))
		master += fmt.Sprintf("%s %s --timeout=1\n", at, filepath.Join(maps, name))
	}
	add("/-", "direct", direct)
	add(indirectDir, "indirect", indirect)
	write(t, filepath.Join(maps, "master"), []byte(master))
	cmd := process.Command("automount", "-f", "-d", "-p", filepath.Join(maps, "pid"), filepath.Join(maps, "master"))
	cmd.SysProcAttr.Setpgid = true // who is of its group is taken for itself
	p := process.Start(t, cmd)
	eventually.True(t, "the automounter", func() bool {
		return len(mountsBelow(indirectDir)) > 0 && len(mountsBelow(strings.Fields(direct)[0])) > 0
	})
	return p
}

// mapped is an origin as a map of the automounter has it, which takes a colon for the
// end of a host.
func mapped(url string) string { return ":" + strings.ReplaceAll(url, ":", `\:`) }

// TestAutomount has an automounter mount when somebody comes in, on a mountpoint of its own
// and on one that it makes, and unmount what nobody uses; again and again.
func TestAutomount(t *testing.T) {
	t.Parallel()
	if !withHelper(t) {
		return
	}
	if table, err := os.ReadFile("/proc/filesystems"); err != nil || !strings.Contains(string(table), "\tautofs\n") {
		t.Skipf("this kernel has no autofs (%v)", err)
	}
	src := synthetic(100)
	s := serveTest(t, serve.Options{}, src)
	one, other := newBackground(t), newBackground(t)
	options := func(b *background) string { return "-fstype=motefs,store=" + b.store + ",log_file=" + b.log }
	p := automount(t, one.dir+" "+options(one)+" "+mapped(s.URL()), other.dir, "files "+options(other)+" "+mapped(s.URL()))
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(p)
		}
	})
	for range 2 {
		for _, dir := range []string{one.dir, filepath.Join(other.dir, "files")} {
			if got := shell(t, `cat "$1/$2"`, dir, src.Name(7)); got != string(src.Body(7)) {
				t.Errorf("in %s it reads %q", dir, got)
			}
		}
		// Nobody uses them any more.
		eventually.True(t, "the automounter's unmounts", func() bool { return len(one.daemons())+len(other.daemons()) == 0 })
		for _, dir := range []string{one.dir, other.dir} {
			if left := mountsBelow(dir); len(left) != 1 {
				t.Errorf("mounted: %q, want the automounter's own", left)
			}
		}
	}
	// What a killed daemon left is in the way until somebody unmounts it; then it is as before.
	if got := shell(t, `cat "$1/$2"`, one.dir, src.Name(7)); got != string(src.Body(7)) {
		t.Errorf("it reads %q", got)
	}
	kill(t, one.one(), syscall.SIGKILL)
	eventually.True(t, "the daemon's end", func() bool { return len(one.daemons()) == 0 })
	_, _ = process.Run(t, binary, "unmount", one.dir) // unless the automounter has done it
	if got := shell(t, `cat "$1/$2"`, one.dir, src.Name(7)); got != string(src.Body(7)) {
		t.Errorf("after a daemon was killed it reads %q", got)
	}
	p.Signal(syscall.SIGTERM)
	p.Wait()
	one.gone()
	other.gone()
}
