package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// throwaway runs a script in a copy of this machine's files that is thrown away, with the
// processes that it leaves: what it changes stands below $UP.
const throwaway = `
set -eu
dir=$1; shift
mkdir -p "$dir/t"
mount -t tmpfs none "$dir/t"
export UP="$dir/t/up"
mkdir "$UP" "$dir/t/work" "$dir/t/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$UP,workdir=$dir/t/work" "$dir/t/root"
mount --bind /dev "$dir/t/root/dev"
mount -t proc proc "$dir/t/root/proc"
mount -t tmpfs none "$dir/t/root/run"
mount -t tmpfs none "$dir/t/root/tmp"
cp "$2" "$dir/t/root/tmp/motefs.deb"
chroot "$dir/t/root" sh -euc "$1" sh "$3"
echo LEFT BEHIND:
cd "$UP"
find . ! -type c \( ! -type d -o -name '*motefs*' \) # a device says that something was removed
`

// useDeb installs the package, mounts by a line of fstab, reads, and purges it.
const useDeb = `
origin=$1
unset MOTEFS_CONFIG
mkdir -p /var/lib/dpkg/info /mnt/files
cp /etc/fstab /tmp/fstab 2>/dev/null || : >/tmp/fstab
dpkg --path-include="/usr/share/*" --force-depends -i /tmp/motefs.deb
motefs version
motefs config mount | grep /etc/motefs/config.yaml
for page in motefs motefs-mount mount.motefs; do test -s /usr/share/man/man[18]/$page.[18].gz; done
test -s /usr/share/bash-completion/completions/motefs
for unit in motefs@.service motefs-mirror@.service motefs-mirror@.timer; do test -s /usr/lib/systemd/system/$unit; done
echo "$origin /mnt/files motefs allow_other,_netdev,nofail 0 0" >>/etc/fstab
mount /mnt/files
cat /mnt/files/file-000000000003 | wc -c
motefs unmount /mnt/files # it waits until the store is closed
test -d /var/cache/motefs
dpkg --purge motefs
cp /tmp/fstab /etc/fstab
rmdir /mnt/files
`

// makeTarget runs make in the top folder, for this machine's architecture alone.
func makeTarget(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command("make", append([]string{"-C", "../..", "ARCHES=" + runtime.GOARCH, "VERSION=0.0.7", "TRIM="}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make %q: %v\n%s", args, err, out)
	}
}

// TestPackage makes the .deb of this machine, and has it be installed, used through
// /etc/fstab, and purged without a trace; and make install be undone by make uninstall.
func TestPackage(t *testing.T) {
	t.Parallel()
	fusetest.Need(t)
	if os.Geteuid() != 0 {
		t.Skip("this test is root's: it installs a package")
	}
	dir := t.TempDir()
	makeTarget(t, "packages", "BUILD="+dir)
	for _, kind := range []string{"*.deb", "*.rpm", "*.tar.gz", "SHA256SUMS"} {
		if files, _ := filepath.Glob(filepath.Join(dir, "packages", kind)); len(files) != 1 {
			t.Errorf("%s: there are %q", kind, files)
		}
	}
	debs, _ := filepath.Glob(filepath.Join(dir, "packages", "*.deb"))
	if len(debs) != 1 {
		t.FailNow()
	}
	root := t.TempDir()
	makeTarget(t, "install", "BUILD="+dir, "DESTDIR="+root, "PREFIX=/usr")
	for _, name := range []string{"bin/motefs", "sbin/mount.motefs", "share/man/man1/motefs-mount.1.gz", "lib/systemd/system/motefs@.service"} {
		if _, err := os.Lstat(filepath.Join(root, "usr", name)); err != nil {
			t.Error(err)
		}
	}
	makeTarget(t, "uninstall", "DESTDIR="+root, "PREFIX=/usr")
	if left := shell(t, `cd "$1"; find . ! -type d`, root); left != "" {
		t.Errorf("make uninstall leaves %q", left)
	}
	s := serveTest(t, serve.Options{}, synthetic(5))
	cmd := exec.Command("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "sh", "-c", throwaway, "sh", t.TempDir(), useDeb, debs[0], s.URL())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	said, left, _ := strings.Cut(string(out), "LEFT BEHIND:\n")
	if !strings.Contains(said, "motefs 0.0.7") || !strings.Contains(said, "\n100\n") {
		t.Errorf("it says\n%s", said)
	}
	for _, path := range lines(left) {
		// dpkg keeps books, and man a cache.
		if strings.Contains(path, "motefs") && !strings.Contains(path, "./var/lib/dpkg/") {
			t.Errorf("left behind: %s", path)
		}
	}
	if len(lines(left)) == 0 {
		t.Error("nothing is seen to be changed, not even dpkg's books")
	}
}
