package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/process"
)

// nobody is a user without rights.
const nobody = 65534

var asNobody = []string{"--reuid=65534", "--regid=65534", "--clear-groups", "--"}

// openTo lets every user go as far as dir, which itself is not touched.
func openTo(t *testing.T, dir string) {
	t.Helper()
	for d := filepath.Dir(dir); strings.HasPrefix(d, os.TempDir()+"/"); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("this test is root's: it becomes another user")
	}
}

// TestOtherUsers reads a mount of root's as another user.
func TestOtherUsers(t *testing.T) {
	t.Parallel()
	needRoot(t)
	need(t, "setpriv")
	src, s := fewDirs(t)
	for _, args := range [][]string{nil, {"--allow-other"}} {
		t.Run(fmt.Sprint(args), func(t *testing.T) {
			m := startMount(t, s.URL(), args...)
			openTo(t, m.dir)
			m.Logs("every name is listed")
			out, err := process.Run(t, "setpriv", append(asNobody, "sh", "-c", `ls "$1" | wc -l && cat "$1/$2"`, "sh", m.dir, src.Name(5))...)
			switch {
			case args == nil && (err == nil || strings.Count(out, "Permission denied") != 2):
				t.Errorf("without --allow-other another user sees %q, %v", out, err)
			case args != nil && (err != nil || out != "10\n"+string(src.Body(5))):
				t.Errorf("with --allow-other another user sees %q, %v", out, err)
			}
			if out, err := process.Run(t, "setpriv", append(asNobody, "umount", m.dir)...); err == nil {
				t.Errorf("another user could unmount: %s", out)
			}
			m.stop()
		})
	}
}

// nobodysMount is a motefs that nobody started: it mounts by fusermount3.
func nobodysMount(t *testing.T, url string, args ...string) *mountedProcess {
	t.Helper()
	m := &mountedProcess{t: t, dir: t.TempDir(), store: filepath.Join(t.TempDir(), "store")}
	for _, dir := range []string{m.dir, filepath.Dir(m.store)} {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		openTo(t, dir)
	}
	openTo(t, binary)
	t.Cleanup(m.clear)
	return m.start(nobodys(motefs(t, append(append([]string{"mount", "--store", m.store}, args...), url, m.dir)...)))
}

// nobodys makes a command nobody's own.
func nobodys(cmd *exec.Cmd) *exec.Cmd {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	return cmd
}

// TestOrdinaryUsers runs motefs as a user without rights, who needs fusermount3 and
// a /dev/fuse that is everybody's. Where it is not, as in containers, the test runs
// in a mount namespace which has such a device.
func TestOrdinaryUsers(t *testing.T) {
	t.Parallel()
	fusetest.Need(t)
	needRoot(t)
	need(t, "fusermount3", "unshare", "setpriv")
	helper, err := exec.LookPath("fusermount3")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(helper); err != nil || info.Mode()&os.ModeSetuid == 0 {
		t.Skipf("%s is not setuid root, so that users cannot mount (%v)", helper, err)
	}
	device, err := os.Stat("/dev/fuse")
	if err != nil {
		t.Fatal(err)
	}
	if device.Mode()&0o006 != 0o006 {
		inNamespace(t, `
			mount -t tmpfs -o mode=755 tmpfs "$1"
			mknod "$1/fuse" c 10 229; chmod 666 "$1/fuse"
			mount --bind "$1/fuse" /dev/fuse`, t.TempDir())
		return
	}
	t.Run("mount", testMountByAnOrdinaryUser)
	t.Run("in use", testUnmountOfAnOrdinaryUsersMountInUse)
	t.Run("dead mount", testDeadMountOfAnOrdinaryUser)
}

// isInside reports whether this is a test that inNamespace runs once more.
func isInside() bool { return os.Getenv(insideVariable) != "" }

// inNamespace runs a test once more in a mount namespace that a script prepares.
func inNamespace(t *testing.T, script string, args ...string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script += `
		shift; exec "$@"`
	run := append([]string{"-m", "sh", "-ec", script, "sh"}, args...)
	cmd := exec.CommandContext(t.Context(), "unshare", append(run, self, "-test.run=^"+t.Name()+"$", "-test.v")...)
	cmd.Env = append(os.Environ(), givenBinary+"="+binary, insideVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if _, why, skipped := strings.Cut(string(out), "--- SKIP: "+t.Name()); err == nil && skipped {
		t.Skip(why)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("in a mount namespace of its own: %v\n%s", err, out)
	}
}

// testMountByAnOrdinaryUser mounts and unmounts without any rights.
func testMountByAnOrdinaryUser(t *testing.T) {
	src, s := fewDirs(t)
	for what, unmount := range map[string]func(m *mountedProcess) *exec.Cmd{
		"fusermount3 -u": func(m *mountedProcess) *exec.Cmd { return exec.Command("fusermount3", "-u", m.dir) },
		"motefs unmount": func(m *mountedProcess) *exec.Cmd { return exec.Command(binary, "unmount", m.dir) },
		"Ctrl-C":         func(m *mountedProcess) *exec.Cmd { return exec.Command("kill", "-INT", fmt.Sprint(m.Pid())) },
	} {
		t.Run(what, func(t *testing.T) {
			m := nobodysMount(t, s.URL())
			m.Logs("every name is listed")
			out, err := nobodys(exec.Command("sh", "-ec", `cat "$1/$2"; stat -c %u:%g:%a "$1/$2"; ls "$1" | wc -l`, "sh", m.dir, src.Name(5))).CombinedOutput()
			if err != nil || string(out) != string(src.Body(5))+"65534:65534:444\n10\n" {
				t.Errorf("the user sees %q, %v", out, err)
			}
			if out, err := nobodys(unmount(m)).CombinedOutput(); err != nil {
				t.Errorf("%s: %v, %s", what, err, out)
			}
			m.ended()
		})
	}
}

// testUnmountOfAnOrdinaryUsersMountInUse ends a user's mount under a program that
// stands in it.
func testUnmountOfAnOrdinaryUsersMountInUse(t *testing.T) {
	_, s := fewDirs(t)
	m := nobodysMount(t, s.URL())
	inside := startUser(t, "setpriv", append(asNobody, "sh")...)
	inside.Eval("cd " + m.dir)
	if out, err := nobodys(exec.Command(binary, "unmount", m.dir)).CombinedOutput(); err == nil || !strings.Contains(string(out), "in use") {
		t.Errorf("unmount: %v, %s", err, out)
	}
	empty := t.TempDir()
	openTo(t, empty)
	if out, err := nobodys(exec.Command(binary, "unmount", empty)).CombinedOutput(); err == nil || !strings.Contains(string(out), "nothing is mounted") {
		t.Errorf("unmount of what is not mounted: %v, %s", err, out)
	}
	m.Signal(os.Interrupt)
	m.Logs("in use by sh (process ")
	m.Signal(os.Interrupt)
	if status := m.Wait(); status != 0 || len(mountsBelow(m.dir)) > 0 {
		t.Errorf("status %d, mounts %q:\n%s", status, mountsBelow(m.dir), m.Stderr)
	}
	if out := inside.Eval("ls . 2>&1"); !strings.Contains(out, "not connected") {
		t.Errorf("the user sees %q", out)
	}
}

// testDeadMountOfAnOrdinaryUser clears what a killed motefs has left.
func testDeadMountOfAnOrdinaryUser(t *testing.T) {
	src, s := fewDirs(t)
	m := nobodysMount(t, s.URL())
	m.Signal(syscall.SIGKILL)
	m.Wait()
	if len(mountsBelow(m.dir)) == 0 {
		t.Fatal("a killed mount is gone by itself: this test has nothing to test")
	}
	if out, err := nobodys(exec.Command(binary, "unmount", m.dir)).CombinedOutput(); err != nil || len(mountsBelow(m.dir)) > 0 {
		t.Errorf("unmount of a dead mount: %v, %s", err, out)
	}
	m = nobodysMount(t, s.URL())
	m.Signal(syscall.SIGKILL)
	m.Wait()
	p := m.start(nobodys(motefs(t, "mount", "--store", m.store, s.URL(), m.dir)))
	p.Logs("every name is listed")
	out, err := nobodys(exec.Command("cat", filepath.Join(m.dir, src.Name(5)))).CombinedOutput()
	if err != nil || string(out) != string(src.Body(5)) {
		t.Errorf("the user reads %q, %v", out, err)
	}
	p.stop()
}
