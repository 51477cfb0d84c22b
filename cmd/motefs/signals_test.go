package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// under runs the command of cmd by another program, which becomes it or stays its
// parent.
func under(cmd *exec.Cmd, program string, args ...string) *exec.Cmd {
	outer := process.Command(program, append(args, cmd.Args...)...)
	outer.Env = cmd.Env
	return outer
}

// hang has every get hang until heal is called.
func hang(s *origintest.Server) (heal func()) {
	s.SetFaults(origintest.Faults{OnGet: func([]byte, int) origintest.Fault { return origintest.Fault{Mode: origintest.Hang} }})
	return func() { s.SetFaults(origintest.Faults{}) }
}

// TestHangup sends SIGHUP in the middle of the work. A mount and a mirror end by
// it as by SIGTERM, and what nohup starts does not.
func TestHangup(t *testing.T) {
	t.Parallel()
	need(t, "nohup")
	src := synthetic(20_000)
	s := serveTest(t, serve.Options{PageSize: 200}, src)
	t.Run("mount", func(t *testing.T) {
		m := startMount(t, s.URL(), "--prefetch-all")
		m.Signal(syscall.SIGHUP)
		m.ended()
		finish(t, exitOK, "verify", "--store", m.store)
	})
	t.Run("mirror", func(t *testing.T) {
		heal := hang(s)
		store := filepath.Join(t.TempDir(), "store")
		p := start(t, "mirror", "--store", store, s.URL())
		p.Says("mirroring")
		p.Signal(syscall.SIGHUP)
		if status := p.Wait(); status != exitInterrupted || !strings.Contains(p.Stderr.String(), "motefs: interrupted\n") {
			t.Errorf("status %d: %s", status, p)
		}
		heal()
		finish(t, exitOK, "verify", "--store", store)
		finish(t, exitOK, "mirror", "--store", store, s.URL())
	})
	t.Run("nohup mirror", func(t *testing.T) {
		heal := hang(s)
		store := filepath.Join(t.TempDir(), "store")
		p := process.Start(t, under(motefs(t, "mirror", "--store", store, s.URL()), "nohup"))
		p.Says("mirroring")
		p.Signal(syscall.SIGHUP)
		heal()
		if status := p.Wait(); status != exitOK || !strings.Contains(p.Stdout.String(), "the mirror is complete") {
			t.Errorf("status %d: %s", status, p)
		}
	})
	t.Run("nohup mount", func(t *testing.T) {
		m := startMount(t, s.URL())
		m.stop()
		m = m.start(under(motefs(t, "mount", "--store", m.store, s.URL(), m.dir), "nohup"))
		m.Signal(syscall.SIGHUP)
		if got := shell(t, `cat "$1/$2"`, m.dir, src.Name(7)); got != string(src.Body(7)) {
			t.Errorf("after SIGHUP it reads %q", got)
		}
		m.stop()
	})
}

// terminal runs a program on a terminal of its own, and closes that once a line
// comes in.
const terminal = `
import os, pty, sys
pid, master = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
text = b""
while b"serving" not in text:
    text += os.read(master, 4096)
print("serving", flush=True)
sys.stdin.readline()
os.close(master)
print("status", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
`

// TestTerminalCloses closes the terminal that a mount runs on.
func TestTerminalCloses(t *testing.T) {
	need(t, "python3")
	s := serveTest(t, serve.Options{}, synthetic(1000))
	m := startMount(t, s.URL())
	m.stop()
	m = m.start(under(motefs(t, "mount", "--prefetch-all", "--store", m.store, s.URL(), m.dir), "python3", "-c", terminal))
	if _, err := m.Stdin.Write([]byte("close\n")); err != nil {
		t.Fatal(err)
	}
	m.Says("status 0\n")
	m.ended()
	finish(t, exitOK, "verify", "--store", m.store)
}

// TestSecondInterrupt sends SIGINT twice while the first is waiting for what is
// under way.
func TestSecondInterrupt(t *testing.T) {
	t.Parallel()
	s := serveTest(t, serve.Options{}, synthetic(5000))
	t.Run("mirror", func(t *testing.T) {
		heal := hang(s)
		store := filepath.Join(t.TempDir(), "store")
		p := start(t, "mirror", "--store", store, s.URL())
		eventually.True(t, "a get", func() bool { return s.Counts().Gets > 0 })
		p.Signal(os.Interrupt)
		p.Logs("a second Ctrl-C ends at once")
		p.Signal(os.Interrupt)
		if status := p.Wait(); status != exitInterrupted || strings.Contains(p.Stdout.String(), "listed") {
			t.Errorf("status %d: %s", status, p)
		}
		heal()
		finish(t, exitOK, "verify", "--store", store)
		finish(t, exitOK, "mirror", "--store", store, s.URL())
	})
	t.Run("mount", func(t *testing.T) {
		heal := hang(s)
		m := startMount(t, s.URL(), "--prefetch-all")
		user := startUser(t, "sh")
		user.Eval("cd '" + m.dir + "'") // the mount is in use
		m.Signal(syscall.SIGTERM)
		m.Logs("Ctrl-C now ends at once")
		m.Signal(os.Interrupt)
		if status := m.Wait(); status != exitInterrupted || strings.Contains(m.Stdout.String(), "unmounted") {
			t.Errorf("status %d: %s", status, m)
		}
		if left := mountsBelow(m.dir); len(left) > 0 {
			t.Errorf("still mounted: %q", left)
		}
		user.Kill()
		heal()
		finish(t, exitOK, "verify", "--store", m.store)
		m.again(s.URL()).stop()
	})
}

// TestNobodyReadsTheOutput takes away who reads the output of a mount, and has it
// print more: it serves on. So it does where it was started without one.
func TestNobodyReadsTheOutput(t *testing.T) {
	fusetest.Need(t)
	src := synthetic(1000)
	s := serveTest(t, serve.Options{}, src)
	s.SetFaults(origintest.Faults{OnGet: func(name []byte, _ int) origintest.Fault {
		if string(name) == src.Name(5) {
			return origintest.Fault{Status: 403}
		}
		return origintest.Fault{}
	}})
	output := filepath.Join(t.TempDir(), "output")
	shell(t, `mkfifo "$1"`, output)
	for name, redirect := range map[string]string{"nobody": `exec "$@" >'` + output + `' 2>&1`, "closed": `exec "$@" >&- 2>&-`} {
		t.Run(name, func(t *testing.T) {
			m := startMount(t, s.URL())
			m.stop()
			m.Process = process.Start(t, under(motefs(t, "mount", "--store", m.store, s.URL(), m.dir), "sh", "-c", redirect, "sh"))
			if name == "nobody" {
				process.MustRun(t, "sed", "/serving/q", output)
			}
			eventually.True(t, "a mount", func() bool { return len(mountsBelow(m.dir)) > 0 })
			for range 2 { // the first one is logged
				process.MustFail(t, "Input/output error", "cat", filepath.Join(m.dir, src.Name(5)))
			}
			if got := shell(t, `cat "$1/$2"`, m.dir, src.Name(7)); got != string(src.Body(7)) {
				t.Errorf("it reads %q", got)
			}
			m.stop()
		})
	}
}
