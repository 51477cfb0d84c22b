package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// need fails a test that lacks a program, so that no test passes by not running.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Fatalf("there is no %s: make test installs it", p)
		}
	}
}

// python runs a Python program with args as sys.argv[1:]. What it asserts is
// checked in a process of its own.
func python(t *testing.T, program string, args ...string) string {
	t.Helper()
	need(t, "python3")
	return process.MustRun(t, "python3", append([]string{"-c", program}, args...)...)
}

// serveTree serves a tree of whole seconds, which is what Last-Modified has room
// for, each file of another second.
func serveTree(t *testing.T, o serve.Options) (dir string, s *origintest.Server) {
	t.Helper()
	dir = makeTree(t)
	second := int64(1_000_000_000)
	if err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		second++
		at := time.Unix(second, 0)
		if err == nil {
			err = os.Chtimes(path, at, at)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	src, err := serve.OpenTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = src.Close() })
	return dir, serveTest(t, o, src)
}

// sameOutput are programs that say the same of the mount as of the directory
// that it mirrors. Attributes of directories are not the origin's.
var sameOutput = []struct{ name, script string }{
	{"ls", `ls -aR`},
	{"ls -l", `ls -lRgoQ --time-style=+%s | grep -v ^total | grep -v ^d | sed -E 's/^-\S+ +[0-9]+ +//'`},
	{"find -type", `find . -type f | sort; find . -type d | sort`},
	{"find -size", `find . -size +64k -o -size 0 -type f | sort; find . -type f -size -2 | sort`},
	{"find -newer", `find . -type f -newer "small/3/file 101.txt" | sort`},
	{"find -empty", `find . -type f -empty`},
	{"stat", `find . -type f -print0 | sort -z | xargs -0 stat -c '%n %s %Y %F'`},
	{"sha256sum", `find . -type f -print0 | sort -z | xargs -0 sha256sum`},
	{"grep -r", `grep -r -l 99 . | sort; grep -r -c '' . | sort`},
	{"du", `find . -type f -print0 | sort -z | du -a -B 1 --apparent-size --files0-from=-`},
	{"tar t", `tar c --sort=name . | tar t`},
	{"xargs -P", `find . -type f -print0 | xargs -0 -n 7 -P 8 cat | wc -c`},
	{"wc", `find . -type f -print0 | sort -z | wc --files0-from=-`},
	{"tail and dd", `tail -c 1000 large/*; dd if="large/five megabytes" bs=4097 skip=100 count=50 status=none | sha256sum`},
}

// TestProgramsSeeTheOriginsDirectory has the usual programs read a mount in which
// everything is there, and one into which they bring everything.
func TestProgramsSeeTheOriginsDirectory(t *testing.T) {
	t.Parallel()
	need(t, "rsync", "tar", "xargs")
	for _, args := range [][]string{nil, {"--prefetch-all"}} {
		t.Run(fmt.Sprint(args), func(t *testing.T) {
			tree, s := serveTree(t, serve.Options{PageSize: 50})
			m := startMount(t, s.URL(), args...)
			m.Logs("is") // "every name is listed", "the mirror is complete"
			for _, p := range sameOutput {
				script := `cd "$1"; export LC_ALL=C; ` + p.script
				if got, want := shell(t, script, m.dir), shell(t, script, tree); got != want || want == "" {
					t.Errorf("%s prints %.2000q of the mount, and of the directory %.2000q", p.name, got, want)
				}
			}
			copies := t.TempDir()
			shell(t, `
				mkdir "$3/tar"; tar c -C "$2" . | tar x -C "$3/tar"
				cp -a "$2" "$3/cp"
				rsync -a "$2/" "$3/rsync"
				stamps() { (cd "$1"; find . -type f -printf '%P %s %Ts\0' | sort -z); }
				stamps "$1" >"$3/stamps"
				for copy in tar cp rsync; do
					diff -r "$1" "$3/$copy"
					stamps "$3/$copy" | cmp - "$3/stamps"
				done
				diff -r "$1" "$2"`, tree, m.dir, copies)
			if out := shell(t, `rsync -a --itemize-changes "$1/" "$2/rsync"`, m.dir, copies); out != "" {
				t.Errorf("a second rsync transfers something:\n%s", out)
			}
			m.stop()
			finish(t, exitOK, "verify", "--store", m.store, s.URL())
		})
	}
}

// TestProgramsWhileTheMirrorRuns has the same programs read a mount that grows:
// what they see is then a part of the origin, and what they read of it is right.
func TestProgramsWhileTheMirrorRuns(t *testing.T) {
	t.Parallel()
	need(t, "rsync", "tar", "xargs")
	tree, s := serveTree(t, serve.Options{PageSize: 3, ListLatency: 25 * time.Millisecond})
	m := startMount(t, s.URL(), "--prefetch-all")
	shell(t, `until [ -e "$1/a" ]; do sleep 0.01; done`, m.dir)
	done := func() bool { return strings.Contains(m.Stderr.String(), "mirror is complete") }
	rounds := 0
	for ; !done(); rounds++ {
		shell(t, `cd "$2"
			check() { (cd "$1"; find . -type f -print0 | xargs -0 -r sha256sum) >"$copies/sums"; (cd "$tree"; sha256sum --quiet -c "$copies/sums"); }
			tree=$1 copies=$3
			ls -a >/dev/null; ls -lR >/dev/null
			find . -type f -size +64k -newer a >/dev/null
			grep -r -c '' . >/dev/null
			du -a --apparent-size >/dev/null
			find . -type f -print0 | xargs -0 -n 7 -P 8 cat >/dev/null
			mkdir -p "$copies/tar"; tar c . | tar x -C "$copies/tar"
			cp -a . "$copies/cp"
			rsync -a ./ "$copies/rsync"
			for c in "$2" "$copies/tar" "$copies/cp" "$copies/rsync"; do check "$c"; done
			rm -r "$copies/tar" "$copies/cp"`, tree, m.dir, t.TempDir())
		if rounds > 1000 {
			t.Fatal("the mirror does not end")
		}
	}
	if rounds == 0 {
		t.Error("the mirror was over before a program ran")
	}
	t.Logf("%d rounds", rounds)
	process.MustRun(t, "diff", "-r", tree, m.dir)
	m.stop()
}

const mmapProgram = `
import mmap, os, sys
tree, mnt = sys.argv[1:]
for name in ["a", "small/3/file 101.txt", "exactly the inline limit", "one byte more", "large/five megabytes"]:
    want = open(os.path.join(tree, name), "rb").read()
    with open(os.path.join(mnt, name), "rb") as f:
        fd = f.fileno()
        private = mmap.mmap(fd, 0, mmap.MAP_PRIVATE, mmap.PROT_READ)
        assert private[:] == want, name
        shared = mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ)
        assert shared[::-1] == want[::-1], name
        assert shared.find(want[-3:]) == want.find(want[-3:]), name
        copied = mmap.mmap(fd, 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
        copied[0:1] = b"!"
        assert os.pread(fd, 1, 0) == want[:1], name
        r, w = os.pipe()
        n = os.sendfile(w, fd, 0, min(len(want), 4096))
        assert n > 0 and os.read(r, n) == want[:n], name
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        assert os.pread(fd, len(want), 0) == want, name
assert open(os.path.join(mnt, "empty"), "rb").read() == b""
`

// TestMmapOfTheMount maps files into memory, each way that a read-only file can
// be.
func TestMmapOfTheMount(t *testing.T) {
	tree, s := serveTree(t, serve.Options{})
	m := startMount(t, s.URL())
	m.Logs("every name is listed")
	python(t, mmapProgram, tree, m.dir)
	m.stop()
}
