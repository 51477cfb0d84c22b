package main

import (
	"errors"
	iofs "io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestWhatAMountLacks mounts where something is missing that a mount needs: one line
// says what and how to have it, with status 3, and no store is made. A mount namespace
// lacks it.
func TestWhatAMountLacks(t *testing.T) {
	fusetest.Need(t)
	needRoot(t)
	need(t, "unshare", "setpriv")
	s := serveTest(t, serve.Options{}, synthetic(5))
	for what, tc := range map[string]struct {
		script, says string
		args         []string
		root         bool
	}{
		"no permission for the device": {
			script: `mknod "$1/fuse" c 10 229; chmod 600 "$1/fuse"; mount --bind "$1/fuse" /dev/fuse`,
			says:   "FUSE is not available: open /dev/fuse: permission denied; have root give this user access to it (chmod 666 /dev/fuse",
		},
		"no device":          {script: `mount -t tmpfs tmpfs /dev`, says: "no such file or directory; load the kernel's module (modprobe fuse)"},
		"no device for root": {script: `mount -t tmpfs tmpfs /dev`, says: "no such file or directory; load the kernel's module (modprobe fuse)", root: true},
		"no fusermount3": {
			script: `: >"$1/none"; mount --bind "$1/none" "$(readlink -f "$(command -v fusermount3)")"`,
			says:   "there is no fusermount3, by which users mount: install it (package fuse3), or mount as root",
		},
		"fusermount3 without its rights": {
			script: `cp "$(command -v fusermount3)" "$1/f"; chmod 755 "$1/f"; mount --bind "$1/f" "$(readlink -f "$(command -v fusermount3)")"`,
			says:   "cannot be mounted on: mount failed: Operation not permitted; fusermount3 has to be setuid root (chmod u+s)",
		},
		"no user_allow_other": {
			script: `: >"$1/conf"; mount --bind "$1/conf" /etc/fuse.conf`, args: []string{"--allow-other"},
			says: "FUSE is not available to other users here: have root put the line user_allow_other into /etc/fuse.conf, or leave out --allow-other",
		},
		"another's directory": {script: `chown root "$2"`, says: "not this user's to write to; give a directory of your own"},
	} {
		t.Run(what, func(t *testing.T) {
			base, dir, tmp := t.TempDir(), t.TempDir(), t.TempDir()
			for _, d := range []string{base, dir} {
				if err := os.Chown(d, nobody, nobody); err != nil {
					t.Fatal(err)
				}
				openTo(t, d)
			}
			openTo(t, binary)
			store := filepath.Join(base, "store")
			run := append([]string{"mount", "--store", store}, append(tc.args, s.URL(), dir)...)
			as := append([]string{"setpriv"}, asNobody...)
			if tc.root {
				as = []string{"env"}
			}
			script := `mount -t tmpfs -o mode=755 tmpfs "$1"; ` + tc.script + `; shift 2; exec "$@"`
			p := process.Start(t, under(motefs(t, run...), "unshare", append([]string{"-m", "sh", "-ec", script, "sh", tmp, dir}, as...)...))
			text := ""
			if status := p.Wait(); status != exitMountpoint {
				t.Errorf("status %d", status)
			}
			if text = p.Stderr.String(); !strings.Contains(text, tc.says) || strings.Count(text, "\n") != 1 || !strings.HasPrefix(text, "motefs: ") {
				t.Errorf("it says %q, want one line with %q", text, tc.says)
			}
			if _, err := os.Stat(store); !errors.Is(err, iofs.ErrNotExist) && what != "fusermount3 without its rights" {
				t.Errorf("a store is left: %v", err)
			}
		})
	}
}
