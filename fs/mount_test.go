package fs

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// tree is a store with a bit of everything, all of it here.
func tree() *fakeStore {
	s := newFakeStore()
	s.complete.Store(true)
	s.file(1, "a", "content of a\n")
	s.file(1, "empty", "")
	s.file(1, "big", strings.Repeat("0123456789abcdef", 64<<10))
	d := s.dir(1, "dir")
	s.file(d, "b", "content of b\n")
	e := s.dir(d, "deep")
	s.file(e, "c", "content of c\n")
	s.file(1, "hostile \n\t\\name \xff", "x")
	return s
}

func TestPrograms(t *testing.T) {
	r := newRig(t, tree(), nil, func(o *Options) { o.FsName = `http://origin/a,b\c d`; o.AllowOther = true })
	if got := r.ok("ls", r.dir); !strings.Contains(got, "a\nbig\ndir\nempty\n") {
		t.Errorf("ls: %q", got)
	}
	if got := r.ok("cat", r.path("a"), r.path("empty"), r.path("dir/deep/c")); got != "content of a\ncontent of c\n" {
		t.Errorf("cat: %q", got)
	}
	if got := r.ok("find", r.dir, "-type", "f", "-printf", "x"); got != "xxxxxx" {
		t.Errorf("find: %q", got)
	}
	if got := r.ok("stat", "-c", "%a %h %s %b %i %u %g %Y %F", r.path("a"), r.path("dir"), r.dir); !strings.HasPrefix(got,
		"444 1 13 1 16 0 0 1600000000 regular file\n555 1 0 0 19 0 0 1700000000 directory\n555 1 0 0 1 0 0 ") {
		t.Errorf("stat: %q", got)
	}
	if got := r.ok("stat", "-f", "-c", "%s %b %f %c %d %l", r.dir); got != "4096 3 0 10 0 255\n" {
		t.Errorf("stat -f: %q", got)
	}
	if got := r.ok("sh", "-c", "cd "+r.dir+" && tar cf - . | tar tf - | sort | tr '\\n' ' '"); got !=
		`./ ./a ./big ./dir/ ./dir/b ./dir/deep/ ./dir/deep/c ./empty ./hostile \n\t\\name \377 ` {
		t.Errorf("tar: %q", got)
	}
	to := t.TempDir()
	r.ok("cp", "-a", r.dir, to+"/copy")
	r.ok("chmod", "-R", "u+w", to+"/copy")
	r.ok("diff", "-r", r.dir, to+"/copy")
	if got := r.ok("du", "-s", "--block-size=1", to+"/copy/big"); !strings.HasPrefix(got, "1048576\t") {
		t.Errorf("big was copied as %q", got)
	}
	if n := r.contents.fetches(""); n != 0 {
		t.Errorf("%d fetches", n)
	}
	if got := r.m.Stats(); got.Errors != 0 || got.ReadBytes == 0 {
		t.Errorf("stats %+v", got)
	}
}

func TestMountTable(t *testing.T) {
	for _, helper := range []bool{false, true} {
		name := `http://origin/a,b\c d?e=f`
		r := newRig(t, tree(), nil, func(o *Options) { o.FsName, o.helper = name, helper })
		at, err := mountAt(r.dir)
		if err != nil || at == nil || at.source != name || at.fsType != "fuse.motefs" {
			t.Errorf("helper %v: %+v, %v", helper, at, err)
		}
		options := r.ok("findmnt", "-no", "OPTIONS", r.dir)
		for _, o := range []string{"ro", "nosuid", "nodev", "default_permissions"} {
			if !strings.Contains(","+strings.TrimSpace(options)+",", ","+o+",") {
				t.Errorf("helper %v: no %s in %s", helper, o, options)
			}
		}
		if got := r.ok("cat", r.path("a")); got != "content of a\n" {
			t.Errorf("helper %v: %q", helper, got)
		}
		r.close()
	}
}

func TestReadOnly(t *testing.T) {
	r := newRig(t, tree(), nil)
	for _, args := range [][]string{
		{"touch", r.path("new")}, {"touch", r.path("a")}, {"mkdir", r.path("new")}, {"rm", "-f", r.path("a")},
		{"rmdir", r.path("dir/deep")}, {"ln", "-s", "x", r.path("new")}, {"ln", r.path("a"), r.path("new")},
		{"mv", r.path("a"), r.path("new")}, {"chmod", "0777", r.path("a")}, {"chown", "1", r.path("a")},
		{"truncate", "-s", "0", r.path("a")}, {"sh", "-c", "exec >>" + r.path("a")}, {"mkfifo", r.path("new")},
	} {
		r.fails("Read-only file system", args[0], args[1:]...)
	}
}

// What programs ask again the kernel answers: this is what ENOSYS and the
// timeouts are for.
func TestKernelCaches(t *testing.T) {
	for _, complete := range []bool{true, false} {
		s := tree()
		s.complete.Store(complete)
		r := newRig(t, s, nil)
		look := func() {
			r.ok("cat", r.path("a"))
			r.ok("stat", r.path("a"), r.path("dir"))
			r.ok("ls", "-U", r.path("dir"))
			r.ok("sh", "-c", "! test -e "+r.path("none"))
		}
		if !complete {
			r.log.expect(errNoOrigin.Error())
		}
		look()
		before := r.m.Stats()
		look()
		after := r.m.Stats()
		if after.Reads != before.Reads || after.GetAttrs != before.GetAttrs {
			t.Errorf("complete %v: asked again: %+v, %+v", complete, before, after)
		}
		if again := after.DirReads != before.DirReads; again == complete {
			t.Errorf("complete %v: directory read again: %v", complete, again)
		}
		if again := after.Lookups != before.Lookups; again == complete {
			t.Errorf("complete %v: missing name asked again: %v", complete, again)
		}
		r.close()
	}
}

// After a failure of the store, which must be EIO, the mount goes on: nothing
// was switched off for good.
func TestStoreFails(t *testing.T) {
	s := tree()
	r := newRig(t, s, nil)
	r.log.expect("disk on fire")
	s.fail(errors.New("disk on fire"))
	r.fails("Input/output error", "cat", r.path("a"))
	r.fails("Input/output error", "ls", r.dir)
	s.fail(nil)
	if got := r.ok("cat", r.path("a")); got != "content of a\n" {
		t.Errorf("%q", got)
	}
}

// A directory of 100,000 entries, read, and entered again at every 997th cookie;
// kept by the kernel and not.
func TestLargeDirectory(t *testing.T) {
	const n = 100_000
	s := newFakeStore()
	for i := range n {
		if i%2 == 0 {
			s.pending(1, fmt.Sprintf("file%07d", i))
		} else {
			s.file(1, fmt.Sprintf("file%07d", i), "x")
		}
	}
	for _, complete := range []bool{false, true} {
		s.complete.Store(complete)
		r := newRig(t, s, nil)
		for range 2 {
			c := startChild(t, "seekdir", r.dir, "997")
			if got := c.Line(); got != strconv.Itoa(n+2) {
				t.Errorf("complete %v: %s entries", complete, got)
			}
			c.Kill()
		}
		if got := strings.Count(r.ok("ls", "-U", r.dir), "\n"); got != n {
			t.Errorf("complete %v: ls: %d entries", complete, got)
		}
		if n := r.contents.fetches(""); n != 0 {
			t.Errorf("complete %v: %d fetches", complete, n)
		}
		r.close()
	}
}

func TestOpenRefuses(t *testing.T) {
	s := newFakeStore()
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{}, "no mountpoint"},
		{Options{Mountpoint: t.TempDir()}, "no store"},
		{Options{Mountpoint: t.TempDir(), Store: s, Contents: newFakeContents(s, nil), Umask: os.ModeSetuid}, "permission bits"},
		{Options{Mountpoint: "/nonexistent", Store: s, Contents: newFakeContents(s, nil)}, "does not exist"},
	} {
		if m, err := Open(t.Context(), c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, %v; want %q", m, err, c.want)
		}
	}
}
