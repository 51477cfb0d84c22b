package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// background is a mount by a daemon.
type background struct {
	t               *testing.T
	dir, store, log string
}

func newBackground(t *testing.T) *background {
	t.Helper()
	fusetest.Need(t)
	b := &background{t: t, dir: t.TempDir(), store: filepath.Join(t.TempDir(), "store"), log: filepath.Join(t.TempDir(), "log")}
	t.Cleanup(func() {
		for range mountsBelow(b.dir) {
			_ = process.Command("umount", "-l", b.dir).Run()
		}
		b.endAll()
	})
	return b
}

// args are those of a daemon, of which more are given.
func (b *background) args(more ...string) []string {
	return append([]string{"mount", "--daemon", "--store", b.store, "--log-file", b.log}, more...)
}

// daemons are the processes that have the store's name on their command line.
func (b *background) daemons() (pids []int) {
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		b.t.Fatal(err)
	}
	for _, path := range lines {
		line, err := os.ReadFile(path)
		if pid, bad := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil && bad == nil && strings.Contains(string(line), b.store) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// endAll leaves no daemon behind, whatever became of the test.
func (b *background) endAll() {
	for _, pid := range b.daemons() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// one is the only daemon.
func (b *background) one() int {
	b.t.Helper()
	pids := b.daemons()
	if len(pids) != 1 {
		b.t.Fatalf("there are %d processes with the store, want one daemon: %v", len(pids), pids)
	}
	return pids[0]
}

// logged is the daemon's log.
func (b *background) logged() string {
	text, err := os.ReadFile(b.log)
	if err != nil {
		b.t.Error(err)
	}
	return string(text)
}

// gone waits until no daemon is left, and checks that no mount is.
func (b *background) gone() {
	b.t.Helper()
	eventually.True(b.t, "the daemon's end", func() bool { return len(b.daemons()) == 0 })
	if left := mountsBelow(b.dir); len(left) > 0 {
		b.t.Errorf("still mounted: %q", left)
	}
}

// TestDaemon mounts in the background by relative paths: when the command returns the mount
// serves, and nothing of whoever started it is held open.
func TestDaemon(t *testing.T) {
	t.Parallel()
	src := synthetic(1000)
	s := serveTest(t, serve.Options{}, src)
	b := newBackground(t)
	base := filepath.Dir(b.store)
	if err := os.Mkdir(filepath.Join(base, "mnt"), 0o755); err != nil {
		t.Fatal(err)
	}
	b.dir = filepath.Join(base, "mnt")
	write(t, filepath.Join(base, "fields"), []byte("X-Field: x"))
	list := filepath.Join(base, "list")
	write(t, list, []byte(src.Name(7)+"\n"))
	for _, more := range [][]string{nil, {"--names", "list", "--get-path", "get"}} {
		// Something of the starter's, with a number that programs inherit.
		cmd := under(motefs(t, append([]string{"mount", "--daemon", "--daemon-wait", "5m", "--store", "store", "--log-file", "log", "--header", "@fields", "--prefetch-all"},
			append(more, s.URL(), "mnt")...)...), "sh", "-c", `exec 9<list; exec "$@"`, "sh")
		cmd.Dir = base
		p := process.Start(t, cmd)
		if status := p.Wait(); status != exitOK || !strings.Contains(p.Stdout.String(), "serving "+s.URL()) || strings.Contains(p.Stdout.String(), "Ctrl-C") {
			t.Fatalf("status %d: %s", status, p)
		}
		if got := shell(t, `cat "$1/$2"`, b.dir, src.Name(7)); got != string(src.Body(7)) {
			t.Errorf("it reads %q", got)
		}
		pid := findDaemon(t, "--store\x00store\x00--log-file\x00log\x00--header\x00@fields")
		checkDetached(t, pid, base)
		logged := &background{t: t, log: filepath.Join(base, "log")}
		eventually.True(t, "a complete mirror", func() bool { return strings.Contains(logged.logged(), "the mirror is complete") })
		finish(t, exitOK, "unmount", b.dir)
		// The daemon has closed its store: it is free at once.
		finish(t, exitOK, "verify", "--store", filepath.Join(base, "store"))
		eventually.True(t, "the daemon's end", func() bool {
			_, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
			return err != nil
		})
		if text := logged.logged(); !strings.Contains(text, "unmounted") || strings.Contains(text, " ERR ") {
			t.Errorf("the log says %q", text)
		}
		if err := errors.Join(os.RemoveAll(filepath.Join(base, "store")), os.Remove(logged.log)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDaemonHasNames has the listing come later than the mount: whoever reads it as soon as the
// command has returned sees its names.
func TestDaemonHasNames(t *testing.T) {
	s := serveTest(t, serve.Options{}, synthetic(100))
	s.SetFaults(origintest.Faults{OnList: func(_ string, n int) origintest.Fault {
		return origintest.Fault{Delay: time.Duration(n) * time.Second}
	}})
	b := newBackground(t)
	finish(t, exitOK, "mount", "--daemon", "--store", b.store, "--log-file", b.log, s.URL(), b.dir)
	if names := lines(shell(t, `ls -U "$1"`, b.dir)); len(names) == 0 {
		t.Error("the directory is empty")
	}
	finish(t, exitOK, "unmount", b.dir)
	b.gone()
}

// findDaemon is the process with that on its command line.
func findDaemon(t *testing.T, args string) int {
	t.Helper()
	b := &background{t: t, store: args}
	return b.one()
}

// checkDetached checks that a daemon has nothing of its starter's.
func checkDetached(t *testing.T, pid int, dir string) {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	// pid (comm) state ppid pgrp session tty_nr: proc_pid_stat(5)
	_, rest, _ := strings.Cut(string(stat), ") ")
	if fields := strings.Fields(rest); fields[2] != fmt.Sprint(pid) || fields[3] != fmt.Sprint(pid) || fields[4] != "0" {
		t.Errorf("the daemon is not in a session of its own: %s", stat)
	}
	if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err != nil || cwd != "/" {
		t.Errorf("the daemon's working directory is %q, %v", cwd, err)
	}
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(links) < 3 {
		t.Fatalf("the daemon has %d open files, %v", len(links), err)
	}
	for _, link := range links {
		path, err := os.Readlink(link)
		switch {
		case err != nil: // closed meanwhile
		case strings.HasPrefix(path, "pipe:"), strings.HasPrefix(path, "/dev/pts"), strings.HasPrefix(path, "/dev/tty"),
			filepath.Base(link) == "9" && path == filepath.Join(dir, "list"):
			t.Errorf("the daemon has %s open as %s", path, filepath.Base(link))
		case filepath.Base(link) == "0" && path != os.DevNull, strings.ContainsAny(filepath.Base(link)[:1], "12") && len(filepath.Base(link)) == 1 && path != filepath.Join(dir, "log"):
			t.Errorf("the daemon's %s is %s", filepath.Base(link), path)
		}
	}
}

// TestDaemonOfOneShot hands a daemon secrets by a file that only its command line names.
func TestDaemonOfOneShot(t *testing.T) {
	t.Parallel()
	need(t, "bash")
	s := serveTest(t, serve.Options{Token: "geheim"}, synthetic(10))
	b := newBackground(t)
	script := `exec "$1" mount --daemon --store "$2" --log-file "$3" --header @<(echo "Authorization: Bearer geheim") "$4" "$5"`
	cmd := motefs(t)
	cmd = under(cmd, "bash", "-ec", script, "bash", binary, b.store, b.log, s.URL(), b.dir)
	p := process.Start(t, cmd)
	if status := p.Wait(); status != exitOK {
		t.Fatalf("status %d: %s", status, p)
	}
	finish(t, exitOK, "unmount", b.dir)
	b.gone()
}

// failing is what makes mounts fail, and one that would not: a mountpoint, the URL of an
// origin, that of one that is down, and a directory with a file in it.
func failing(t *testing.T) (b *background, url, down, full string) {
	t.Helper()
	b = newBackground(t)
	s := serveTest(t, serve.Options{}, synthetic(10))
	closed := serveTest(t, serve.Options{}, synthetic(10))
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	full = t.TempDir()
	write(t, filepath.Join(full, "file"), nil)
	return b, s.URL(), closed.URL(), full
}

// TestDaemonFails has a daemon fail in every way: the command says what it would say in
// the foreground, with the same status, and leaves nothing.
func TestDaemonFails(t *testing.T) {
	t.Parallel()
	b, url, down, full := failing(t)
	for _, tc := range []struct {
		status int
		says   string
		args   []string
	}{
		{exitOrigin, "cannot be listed", b.args(down, b.dir)},
		{exitMountpoint, "does not exist", b.args(url, b.dir+"/none")},
		{exitMountpoint, "not empty", b.args(url, full)},
		{exitStore, "not a store", append(b.args(url, b.dir), "--store", full)},
		{exitUsage, "--log-file", append(b.args(url, b.dir), "--log-file", full)},
		{exitUsage, "give one of them", b.args("--foreground", url, b.dir)},
		{exitUsage, "--daemon-wait", b.args("--daemon-wait", "0s", url, b.dir)},
		{exitUsage, "standard input", b.args("--names", "-", url, b.dir)},
		{exitUsage, "--header", b.args("--header", "no colon", url, b.dir)},
	} {
		p := finish(t, tc.status, tc.args...)
		text := p.Stderr.String()
		if !strings.Contains(text, tc.says) || strings.Count(text, "\n") != 1 || strings.Count(text, "motefs: ") != 1 || p.Stdout.String() != "" {
			t.Errorf("it says %q and %q, want one line with %q", text, p.Stdout, tc.says)
		}
		b.gone()
	}
	if err := os.RemoveAll(b.store); err != nil {
		t.Fatal(err)
	}
	finish(t, exitOK, b.args("--allow-non-empty", url, full)...)
	finish(t, exitOK, "unmount", full)
	b.gone()
}

// TestDaemonReadsItsFilesAgain refuses what a daemon, which reads the files of its flags
// itself, would find empty.
func TestDaemonReadsItsFilesAgain(t *testing.T) {
	dir := t.TempDir()
	file, pipe := filepath.Join(dir, "file"), filepath.Join(dir, "pipe")
	write(t, file, nil)
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		config string
		flags  sourceFlags
		says   string // empty: that is taken
	}{
		{"", sourceFlags{}, ""},
		{file, sourceFlags{headers: []string{"@" + pipe, "A: /dev/stdin"}, caCert: file, listingFlags: listingFlags{names: file}}, ""},
		{os.DevNull, sourceFlags{}, ""},
		{pipe, sourceFlags{}, "--config " + pipe},
		{"/dev/stdin", sourceFlags{}, "--config /dev/stdin"},
		{dir + "/none", sourceFlags{}, "no such file"},
		{"", sourceFlags{headers: []string{"A: b", "@/dev/fd/0"}}, "--header /dev/fd/0"},
		{"", sourceFlags{caCert: "/proc/self/fd/0"}, "--ca-cert /proc/self/fd/0"},
		{"", sourceFlags{listingFlags: listingFlags{names: "-"}}, "--names -: a daemon has no standard input"},
		{"", sourceFlags{listingFlags: listingFlags{names: "/dev//stdin"}}, "--names /dev//stdin"},
	} {
		err := (&mountFlags{sourceFlags: tc.flags}).daemonReads(tc.config)
		if (err == nil) != (tc.says == "") || err != nil && (!strings.Contains(err.Error(), tc.says) || exitStatus(err) != exitUsage) {
			t.Errorf("%q and %+v: %v, want %q", tc.config, tc.flags, err, tc.says)
		}
	}
}

// TestDaemonWithoutFUSE is in a mount namespace without /dev/fuse.
func TestDaemonWithoutFUSE(t *testing.T) {
	t.Parallel()
	needRoot(t)
	if _, err := os.Stat("/dev/fuse"); err == nil {
		inNamespace(t, bareDev, t.TempDir())
		return
	}
	s := serveTest(t, serve.Options{}, synthetic(10))
	store := filepath.Join(t.TempDir(), "store")
	p := finish(t, exitMountpoint, "mount", "--daemon", "--store", store, "--log-file", store+".log", s.URL(), t.TempDir())
	if text := p.Stderr.String(); !strings.Contains(text, "FUSE is not available") || strings.Count(text, "\n") != 1 {
		t.Errorf("it says %q", text)
	}
}

// bareDev is a script that makes a /dev of $1 with little in it.
const bareDev = `
	mount -t tmpfs tmpfs "$1"
	cp -a /dev/null /dev/zero /dev/random /dev/urandom "$1"
	mount --bind "$1" /dev`

// TestDaemonThatDoesNotBecomeReady has the origin hang while a daemon waits for its first
// names. Whoever gives up, nothing is left.
func TestDaemonThatDoesNotBecomeReady(t *testing.T) {
	t.Parallel()
	s := serveTest(t, serve.Options{}, synthetic(10))
	asked := make(chan struct{}, 100)
	s.SetFaults(origintest.Faults{OnList: func(string, int) origintest.Fault {
		asked <- struct{}{}
		return origintest.Fault{Mode: origintest.Hang}
	}})
	for _, tc := range []struct {
		name   string
		args   []string
		does   func(starter *process.Process, daemon int)
		status int
		says   string
	}{
		{"the daemon is killed", nil, func(_ *process.Process, daemon int) { kill(t, daemon, syscall.SIGKILL) }, exitError, "without a word (signal: killed) while it was asking"},
		{"the starter is interrupted", nil, func(p *process.Process, _ int) { p.Signal(os.Interrupt) }, exitInterrupted, "interrupted"},
		{"the starter is terminated", nil, func(p *process.Process, _ int) { p.Signal(syscall.SIGTERM) }, exitInterrupted, "interrupted"},
		{"the daemon is terminated", nil, func(_ *process.Process, daemon int) { kill(t, daemon, syscall.SIGTERM) }, exitInterrupted, "interrupted"},
		{"it takes too long", []string{"--daemon-wait", "2s"}, func(*process.Process, int) {}, exitError, "does not serve after 2s, and was ended: it was asking"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBackground(t)
			p := start(t, append(b.args(tc.args...), s.URL(), b.dir)...)
			<-asked
			pids := b.daemons()
			for _, pid := range pids {
				if pid != p.Pid() {
					tc.does(p, pid)
				}
			}
			if len(pids) != 2 {
				t.Errorf("there are %d processes, want two", len(pids))
			}
			text := ""
			if status := p.Wait(); status != tc.status {
				t.Errorf("status %d: %s", status, p)
			}
			if text = p.Stderr.String(); !strings.Contains(text, tc.says) || strings.Count(text, "\n") != 1 {
				t.Errorf("it says %q, want one line with %q", text, tc.says)
			}
			b.gone()
		})
	}
	t.Run("the starter is killed", func(t *testing.T) {
		b := newBackground(t)
		s.SetFaults(origintest.Faults{})
		release := make(chan struct{})
		s.SetFaults(origintest.Faults{OnList: func(string, int) origintest.Fault {
			asked <- struct{}{}
			<-release
			return origintest.Fault{}
		}})
		p := start(t, b.args(s.URL(), b.dir)...)
		<-asked
		p.Signal(os.Kill)
		p.Wait()
		close(release)
		b.gone()
		if text := b.logged(); !strings.Contains(text, "who started it is gone") {
			t.Errorf("the log says %q", text)
		}
		finish(t, exitOK, "verify", "--store", b.store)
	})
}

func kill(t *testing.T, pid int, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, sig); err != nil {
		t.Error(err)
	}
}

// TestDaemonIsKilled kills a daemon that serves. The next one clears what it has left.
func TestDaemonIsKilled(t *testing.T) {
	t.Parallel()
	src := synthetic(10)
	s := serveTest(t, serve.Options{}, src)
	b := newBackground(t)
	for range 2 {
		finish(t, exitOK, b.args(s.URL(), b.dir)...)
		if got := shell(t, `cat "$1/$2"`, b.dir, src.Name(7)); got != string(src.Body(7)) {
			t.Errorf("it reads %q", got)
		}
		kill(t, b.one(), syscall.SIGKILL)
		eventually.True(t, "the daemon's end", func() bool { return len(b.daemons()) == 0 })
		process.MustFail(t, "connect", "ls", b.dir) // "not connected", or "connection abort" from the cache
	}
	finish(t, exitOK, "unmount", b.dir)
	b.gone()
}

// TestDaemonAfterUmount mounts again as soon as umount(8) has returned, which does not
// wait for the daemon to close its store; and tells of a store that another one has.
func TestDaemonAfterUmount(t *testing.T) {
	t.Parallel()
	need(t, "umount")
	s := serveTest(t, serve.Options{}, synthetic(10))
	b := newBackground(t)
	for range 5 {
		finish(t, exitOK, b.args(s.URL(), b.dir)...)
		process.MustRun(t, "umount", b.dir)
	}
	finish(t, exitOK, b.args(s.URL(), b.dir)...)
	pid := b.one()
	p := finish(t, exitStore, b.args(s.URL(), t.TempDir())...)
	if text := p.Stderr.String(); !strings.Contains(text, fmt.Sprintf("process %d", pid)) {
		t.Errorf("a store in use: %q", text)
	}
	kill(t, pid, syscall.SIGTERM)
	b.gone()
}
