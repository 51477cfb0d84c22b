package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/motefs/motefs/cmd/motefs/internal/stores"
	"github.com/motefs/motefs/fs"
	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// withHelper runs a test once more in a mount namespace where mount(8) finds the program as
// its helper, /etc/fstab is the test's own, and so is where root's stores are.
func withHelper(t *testing.T) (inside bool) {
	t.Helper()
	fusetest.Need(t)
	needRoot(t)
	need(t, "mount", "umount", "unshare")
	if isInside() {
		return true
	}
	links := t.TempDir()
	for _, name := range helperNames {
		if err := os.Symlink(binary, filepath.Join(links, name)); err != nil {
			t.Fatal(err)
		}
	}
	fstab := filepath.Join(t.TempDir(), "fstab")
	write(t, fstab, nil)
	inNamespace(t, `
		sbin=$(readlink -f /sbin)
		mount -t overlay -o "lowerdir=$1:$sbin" overlay "$sbin"
		[ -e /etc/fstab ] || : >/etc/fstab
		mount --bind "$2" /etc/fstab
		mkdir -p /var/cache
		mount -t tmpfs tmpfs /var/cache
		mount -t tmpfs tmpfs /run
		shift`, links, fstab)
	return false
}

// fstab replaces /etc/fstab.
func fstab(t *testing.T, lines ...string) {
	t.Helper()
	write(t, "/etc/fstab", []byte(strings.Join(lines, "\n")+"\n"))
}

// escaped is a word as fstab(5) has it.
func escaped(word string) string { return strings.ReplaceAll(word, " ", `\040`) }

// mount8 runs mount(8) and checks its status and what it says.
func mount8(t *testing.T, status int, says string, args ...string) {
	t.Helper()
	out, err := process.Run(t, "mount", args...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	}
	if got != status || !strings.Contains(out, says) || err != nil && got == 0 {
		t.Errorf("mount %q: status %d, %v: %s; want %d and %q", args, got, err, out, status, says)
	}
	if status != 0 && strings.Count(out, "\n") != 1 {
		t.Errorf("mount %q says more than a line: %s", args, out)
	}
}

// TestMountByType mounts and unmounts as every other filesystem is, by its type and by fstab.
func TestMountByType(t *testing.T) {
	t.Parallel()
	if !withHelper(t) {
		return
	}
	src := synthetic(100)
	s := serveTest(t, serve.Options{}, src)
	b := newBackground(t)
	options := "store=" + b.store + ",log_file=" + b.log
	check := func() {
		t.Helper()
		if got := shell(t, `cat "$1/$2"`, b.dir, src.Name(7)); got != string(src.Body(7)) {
			t.Errorf("it reads %q", got)
		}
		if n := len(mountsBelow(b.dir)); n != 1 {
			t.Errorf("it is mounted %d times", n)
		}
		process.MustRun(t, "umount", b.dir)
		b.gone()
	}
	for _, kind := range []string{"motefs", "fuse.motefs"} {
		mount8(t, 0, "", "-t", kind, "-o", options+",prefetch-all", s.URL(), b.dir)
		check()
	}
	mount8(t, 0, "serving "+s.URL(), "-v", "-r", "-n", "-t", "motefs", "-o", options, s.URL(), b.dir)
	check()
	mount8(t, 0, "", "-s", "-t", "motefs", "-o", options+",no_such_option", s.URL(), b.dir)
	check()

	// The origin is written otherwise than it is shown, and the mountpoint has a space.
	b.dir = filepath.Join(b.dir, "with a space")
	if err := os.Mkdir(b.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	fstab(t, s.URL()+"/ "+escaped(b.dir)+" motefs "+options+",_netdev,nofail,x-systemd.automount,user,exec,allow_other 0 0")
	mount8(t, 0, "", b.dir)
	if out := process.MustRun(t, "findmnt", "-n", "-o", "SOURCE,FSTYPE", b.dir); strings.Join(strings.Fields(out), " ") != s.URL()+"/ fuse.motefs" {
		t.Errorf("the table of mounts has %q", out)
	}
	check()
	for range 3 { // the second time it is there
		mount8(t, 0, "", "-a")
	}
	check()
	mount8(t, 0, "", "-f", b.dir)
	b.gone()

	// What a killed daemon left is cleared by a mount of that very directory.
	mount8(t, 0, "", b.dir)
	kill(t, b.one(), syscall.SIGKILL)
	eventually.True(t, "the daemon's end", func() bool { return len(b.daemons()) == 0 })
	process.MustFail(t, "connect", "ls", b.dir)
	mount8(t, 0, "", b.dir)
	check()

	// Where nothing is said root's stores are in one place, of boot and of every shell.
	mount8(t, 0, "", "-t", "motefs", "-o", "log_file="+b.log, s.URL(), b.dir)
	if all, err := os.ReadDir(stores.System); err != nil || len(all) != 1 {
		t.Errorf("root's stores: %v, %v", all, err)
	}
	for _, args := range [][]string{{"status"}, {"status", s.URL()}, {"stores"}} {
		if text := finish(t, exitOK, args...).Stdout.String(); !strings.Contains(text, s.URL()) || !strings.Contains(text, stores.System+"/127") {
			t.Errorf("motefs %q does not show root's store: %q", args, text)
		}
	}
	finish(t, exitOK, "unmount", b.dir)
}

// TestMountByTypeFails has mount(8) say what is wrong, with its own statuses.
func TestMountByTypeFails(t *testing.T) {
	t.Parallel()
	if !withHelper(t) {
		return
	}
	b, url, down, full := failing(t)
	for _, tc := range []struct {
		status                   int
		says, options, from, dir string
	}{
		{1, `unknown option "prefetchall"; is it prefetch-all?`, "prefetchall", url, b.dir},
		{1, "@FILE", "header=Authorization: geheim", url, b.dir},
		{1, "unmount and mount again", "remount", url, b.dir},
		{1, "octal", "umask=9", url, b.dir},
		{1, "not a URL", "ro", "host:/export", b.dir},
		{1, "no such file", "env_file=/none", url, b.dir},
		{32, "cannot be listed", "ro", down, b.dir},
		{32, "not empty", "ro", url, full},
		{32, "already mounted", "ro", url, "/proc"},
		{32, "not a store", "store=" + full, url, b.dir},
	} {
		options := "store=" + b.store + ",log_file=" + b.log + "," + tc.options
		mount8(t, tc.status, tc.says, "-t", "motefs", "-o", options, tc.from, tc.dir)
		b.gone()
	}
	mount8(t, 0, "", "-t", "motefs", "-o", "nonempty,store="+b.store+"2,log_file="+b.log, url, full)
	finish(t, exitOK, "unmount", full)
}

// TestMountByTypeInterrupted ends mount(8)'s helper by the signal that Ctrl-C is.
func TestMountByTypeInterrupted(t *testing.T) {
	s := serveTest(t, serve.Options{}, synthetic(10))
	asked := make(chan struct{}, 100)
	s.SetFaults(origintest.Faults{OnList: func(string, int) origintest.Fault {
		asked <- struct{}{}
		return origintest.Fault{Mode: origintest.Hang}
	}})
	b := newBackground(t)
	cmd := motefs(t, s.URL(), b.dir, "-o", "rw,store="+b.store+",log_file="+b.log)
	cmd.Args[0] = "/sbin/mount.motefs"
	p := process.Start(t, cmd)
	<-asked
	p.Signal(os.Interrupt)
	if status := p.Wait(); status != mountInterrupted || p.Stderr.String() != "mount.motefs: interrupted\n" {
		t.Errorf("status %d: %s", status, p)
	}
	b.gone()
}

// TestMountStatuses has every kind of error become one of mount(8)'s statuses.
func TestMountStatuses(t *testing.T) {
	for want, errs := range map[int][]error{
		exitOK:           {nil},
		mountUsage:       {usagef("x"), fmt.Errorf("x: %w", os.ErrPermission)},
		mountSystem:      {fmt.Errorf("x: %w", fs.ErrNoFUSE)},
		mountFailed:      {fs.ErrMountpoint, errOrigin, io.EOF, syscall.ENOSPC},
		mountInterrupted: {t.Context().Err()},
	} {
		for _, err := range errs {
			if err == nil && want != exitOK {
				continue
			}
			if got := mountStatus(exitStatusOf(err), err); got != want {
				t.Errorf("%v is status %d, want %d", err, got, want)
			}
		}
	}
}

func exitStatusOf(err error) int {
	if err == nil {
		return exitOK
	}
	return exitStatus(err)
}

// TestMountByTypeWithSecrets gives the token by a file of variables. Nobody else sees it.
func TestMountByTypeWithSecrets(t *testing.T) {
	t.Parallel()
	if !withHelper(t) {
		return
	}
	s := serveTest(t, serve.Options{Token: secret}, synthetic(10))
	b := newBackground(t)
	env := filepath.Join(t.TempDir(), "env")
	write(t, env, []byte("# for the origin\nMOTEFS_HEADER=\"Authorization: Bearer "+secret+"\"\n"))
	options := "store=" + b.store + ",log_file=" + b.log
	mount8(t, 32, "401", "-t", "motefs", "-o", options, s.URL(), b.dir)
	fstab(t, s.URL()+" "+b.dir+" motefs "+options+",env_file="+env+" 0 0")
	mount8(t, 0, "", b.dir)
	for _, path := range []string{fmt.Sprintf("/proc/%d/cmdline", b.one()), "/proc/mounts", b.log} {
		if text, err := os.ReadFile(path); err != nil || holds(text) {
			t.Errorf("the secret is in %s (%v)", path, err)
		}
	}
	process.MustRun(t, "umount", b.dir)
	b.gone()
}

// TestMountByTypeFromS3 mounts a bucket by fstab.
func TestMountByTypeFromS3(t *testing.T) {
	t.Parallel()
	if !withHelper(t) {
		return
	}
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 100, Validators: true})
	s := serveTest(t, serve.Options{S3: &serve.S3Options{Bucket: "bucket"}}, src)
	b := newBackground(t)
	fstab(t, "s3://bucket "+b.dir+" motefs endpoint_url="+s.URL()+",no_sign_request,_netdev,store="+b.store+",log_file="+b.log+" 0 0")
	for range 2 {
		mount8(t, 0, "", "-a")
	}
	if got := shell(t, `cat "$1/$2"`, b.dir, src.Name(7)); got != string(src.Body(7)) || len(mountsBelow(b.dir)) != 1 {
		t.Errorf("it reads %q; mounts: %q", got, mountsBelow(b.dir))
	}
	process.MustRun(t, "umount", b.dir)
	b.gone()
}

// TestMountByTypeAsAUser has a user without rights mount what fstab allows with user.
func TestMountByTypeAsAUser(t *testing.T) {
	t.Parallel()
	if !withHelper(t) {
		return
	}
	need(t, "setpriv", "fusermount3")
	dev := t.TempDir()
	shell(t, strings.Replace(bareDev, "/dev/urandom", "/dev/urandom /dev/fuse", 1)+`
		chmod 666 "$1/fuse"; chmod 755 "$1"`, dev)
	t.Cleanup(func() { process.MustRun(t, "umount", "-l", "/dev", dev) })
	src := synthetic(10)
	s := serveTest(t, serve.Options{}, src)
	b := newBackground(t)
	for _, dir := range []string{b.dir, filepath.Dir(b.store), filepath.Dir(b.log)} {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		openTo(t, dir)
	}
	openTo(t, binary)
	fstab(t, s.URL()+" "+b.dir+" motefs user,noauto,store="+b.store+",log_file="+b.log+" 0 0")
	as := func(name string, args ...string) string {
		t.Helper()
		return process.MustRun(t, "setpriv", append(append(asNobody, name), args...)...)
	}
	as("mount", b.dir)
	if got := as("cat", filepath.Join(b.dir, src.Name(7))); got != string(src.Body(7)) {
		t.Errorf("the user reads %q", got)
	}
	as(binary, "unmount", b.dir)
	b.gone()
}
