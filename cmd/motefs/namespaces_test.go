package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// again mounts the same store on the same mountpoint once more.
func (m *mountedProcess) again(url string, args ...string) *mountedProcess {
	m.t.Helper()
	p := start(m.t, append(append([]string{"mount", "--store", m.store}, args...), url, m.dir)...)
	p.waitFor("serving")
	return &mountedProcess{process: p, dir: m.dir, store: m.store}
}

// user is a shell that a test talks to, line by line: a program that stays in a
// mount or in a namespace while something becomes of it.
type user struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Reader
}

// startUser starts a program that ends in a shell which reads its standard input.
func startUser(t *testing.T, name string, args ...string) *user {
	t.Helper()
	need(t, name)
	u := &user{t: t, cmd: exec.Command(name, args...)}
	u.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdin, err := u.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := u.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	u.cmd.Stderr = u.cmd.Stdout
	u.stdin, u.out = stdin, bufio.NewReader(stdout)
	if err := u.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.leave)
	return u
}

// says runs a command line in the user's shell and returns what it prints.
func (u *user) says(line string) string {
	u.t.Helper()
	if _, err := fmt.Fprintf(u.stdin, "%s\necho; echo end of answer\n", line); err != nil {
		u.t.Fatal(err)
	}
	var text strings.Builder
	for {
		got, err := u.out.ReadString('\n')
		if got == "end of answer\n" {
			return strings.TrimSuffix(text.String(), "\n")
		}
		text.WriteString(got)
		if err != nil {
			u.t.Fatalf("%q: the shell ended: %v\n%s", line, err, text.String())
		}
	}
}

// leave ends the shell.
func (u *user) leave() {
	_ = u.stdin.Close()
	_ = u.cmd.Process.Kill()
	_ = u.cmd.Wait()
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
	child(t, "mount", "--bind", dir, at)
	t.Cleanup(func() { _, _ = tryChild("umount", "-l", at) })
	return at
}

// TestBindMounts shows a mount and a directory of it at other places. They live on
// when the mount is unmounted, and motefs with them; Ctrl-C ends them all.
func TestBindMounts(t *testing.T) {
	src, s := fewDirs(t)
	for _, how := range []string{"the last bind mount is unmounted", "Ctrl-C"} {
		t.Run(how, func(t *testing.T) {
			m := startMount(t, s.URL(), "--prefetch-all")
			m.waitLog("mirror is complete")
			all := bind(t, m.dir)
			some := bind(t, filepath.Join(m.dir, "d000003"))
			read := func() {
				t.Helper()
				if got := shell(t, `cat "$1/$2"; cat "$3"/*5; ls "$3" | wc -l`, all, src.Name(7), some); got != string(src.Body(7))+string(src.Body(35))+"10\n" {
					t.Errorf("through bind mounts one reads %q", got)
				}
			}
			read()
			child(t, "umount", m.dir)
			if left := mountsBelow(m.dir); len(left) > 0 {
				t.Errorf("still mounted: %q", left)
			}
			read()
			if how == "Ctrl-C" {
				m.signal(os.Interrupt)
				m.ended()
				out, err := tryChild("ls", filepath.Join(all, "d000009"))
				if err == nil || !strings.Contains(out, "Transport endpoint is not connected") {
					t.Errorf("a bind mount of what has ended: %v, %s", err, out)
				}
				return
			}
			child(t, "umount", all)
			child(t, "umount", some)
			m.ended()
		})
	}
}

// TestCtrlCWhileABindMountLives ends motefs first: it unmounts its own mount, and
// the bind mount is dead from then on.
func TestCtrlCWhileABindMountLives(t *testing.T) {
	_, s := fewDirs(t)
	m := startMount(t, s.URL(), "--prefetch-all")
	m.waitLog("mirror is complete")
	all := bind(t, m.dir)
	m.signal(os.Interrupt)
	m.ended()
	if out, err := tryChild("ls", all); err == nil || !strings.Contains(out, "Transport endpoint is not connected") {
		t.Errorf("a bind mount of what has ended: %v, %s", err, out)
	}
	child(t, "umount", all)
	again := m.again(s.URL())
	again.stop()
}

// TestMountNamespace has a program in a mount namespace of its own. It sees the
// mounts of before, and keeps them when they are unmounted outside.
func TestMountNamespace(t *testing.T) {
	src, s := fewDirs(t)
	for _, how := range []string{"the program leaves", "Ctrl-C"} {
		t.Run(how, func(t *testing.T) {
			m := startMount(t, s.URL(), "--prefetch-all")
			m.waitLog("mirror is complete")
			inside := startUser(t, "unshare", "-m", "sh")
			cat := func(i int64) string { return fmt.Sprintf("cat '%s/%s'", m.dir, src.Name(i)) }
			if got := inside.says(cat(5)); got != string(src.Body(5)) {
				t.Errorf("inside one reads %q", got)
			}
			child(t, "umount", m.dir)
			if left := mountsBelow(m.dir); len(left) > 0 {
				t.Errorf("still mounted outside: %q", left)
			}
			if got := inside.says(cat(55)); got != string(src.Body(55)) {
				t.Errorf("inside one reads %q after the unmount outside", got)
			}
			if how == "Ctrl-C" {
				m.signal(os.Interrupt)
				m.ended()
				if got := inside.says(cat(95)); !strings.Contains(got, "Transport endpoint is not connected") {
					t.Errorf("inside one reads %q of what has ended", got)
				}
			}
			inside.leave()
			m.ended()
		})
	}
}

// TestUnmountWhileANamespaceHoldsIt ends motefs by a signal alone.
func TestUnmountWhileANamespaceHoldsIt(t *testing.T) {
	src, s := fewDirs(t)
	m := startMount(t, s.URL())
	m.waitLog("every name is listed")
	inside := startUser(t, "unshare", "-m", "sh")
	inside.says(fmt.Sprintf("exec 3<'%s/%s'", m.dir, src.Name(5)))
	m.signal(syscall.SIGTERM)
	m.ended()
	if got := inside.says("ls " + m.dir); !strings.Contains(got, "Transport endpoint is not connected") {
		t.Errorf("inside one sees %q", got)
	}
}
