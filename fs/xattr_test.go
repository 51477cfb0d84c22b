package fs

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/motefs/motefs/cache"
)

// helpXAttr prints the attributes args[1:] of args[0], a line each, or the name
// of the errno; of "?" the list of attributes; of "name=N" the attribute read
// into a buffer of N bytes, of which 0 asks for the length.
func helpXAttr(args []string) error {
	for _, attr := range args[1:] {
		attr, size, sized := strings.Cut(attr, "=")
		buf := make([]byte, 4096)
		if sized {
			n, err := strconv.Atoi(size)
			if err != nil {
				return err
			}
			buf = buf[:n]
		}
		var n int
		var err error
		if attr == "?" {
			n, err = unix.Listxattr(args[0], buf)
		} else {
			n, err = unix.Getxattr(args[0], attr, buf)
		}
		switch {
		case err != nil:
			fmt.Println(unix.ErrnoName(err.(unix.Errno)))
		case len(buf) == 0:
			fmt.Println(n)
		default:
			fmt.Printf("%q\n", buf[:n])
		}
	}
	return nil
}

// xattrs is what helpXAttr prints, with a space after each line.
func (r *rig) xattrs(path string, attrs ...string) string {
	r.Helper()
	c := startChild(r.T, "xattr", append([]string{path}, attrs...)...)
	var b strings.Builder
	for range attrs {
		b.WriteString(c.Line() + " ")
	}
	c.Kill()
	return b.String()
}

func xattrTree() *fakeStore {
	s := tree()
	d := s.dir(1, "odd dir%")
	s.add(d, "ünï", cache.Entry{State: cache.Inline, Size: 1, Content: []byte("x"), Fetched: 1_700_000_000, ETag: `"v 1"`})
	long, _ := cache.SplitName(nil, strings.Repeat("l", 300))
	s.file(s.dir(1, long[0]), long[1], "x")
	return s
}

func TestXAttrs(t *testing.T) {
	r := newRig(t, xattrTree(), nil, func(o *Options) { o.FilesURL = "http://origin:81/base/get/" })
	all := []string{xattrState, xattrURL, xattrETag, xattrFetched}
	long := "%%" + strings.Repeat("l", 252) + "%"
	for path, want := range map[string]string{
		"a":            `"here" "http://origin:81/base/get/a" ENODATA "2023-11-14T22:13:20Z" `,
		"odd dir%/ünï": `"here" "http://origin:81/base/get/odd%20dir%25/%C3%BCn%C3%AF" "\"v 1\"" "2023-11-14T22:13:20Z" `,
		"dir/deep":     `"listed" "http://origin:81/base/get/dir/deep/" ENODATA ENODATA `,
		"":             `"listed" "http://origin:81/base/get/" ENODATA ENODATA `,
		long:           `"listed" ENODATA ENODATA ENODATA `,
		long + "/" + strings.Repeat("l", 48): `"here" "http://origin:81/base/get/` + strings.Repeat("l", 300) +
			`" ENODATA "2023-11-14T22:13:20Z" `,
	} {
		if got := r.xattrs(r.path(path), all...); got != want {
			t.Errorf("%q: %s, want %s", path, got, want)
		}
	}
	// The length for no buffer, ERANGE for a short one; no other attributes.
	if got := r.xattrs(r.path("a"), xattrState+"=0", xattrState+"=3", xattrState+"=4", "user.other", "user.motefs.", "user.motefs.statex"); got !=
		`4 ERANGE "here" ENODATA ENODATA ENODATA ` {
		t.Error(got)
	}
	if got := r.xattrs(r.path("a"), "trusted.x", "security.selinux", "security.capability", "system.posix_acl_access", "system.x", "?", "?=0"); got !=
		strings.Repeat("ENOTSUP ", 7) {
		t.Error(got)
	}
	r.store.complete.Store(false)
	if got := r.xattrs(r.dir, xattrState); got != `"listing" ` {
		t.Error(got)
	}
	if n := r.contents.fetches(""); n != 0 {
		t.Errorf("%d fetches", n)
	}
}

// Without a base URL there is no URL, and errors are what they are elsewhere.
func TestGetXAttrErrors(t *testing.T) {
	s := newFakeStore()
	here, pending := s.file(1, "here", "x"), s.pending(1, "pending")
	f := newTestFsys(t, s, nil)
	get := func(ino cache.Inode, attr string) fuse.Status {
		_, status := f.GetXAttr(nil, &fuse.InHeader{NodeId: uint64(ino)}, attr, make([]byte, 100))
		return status
	}
	for _, c := range []struct {
		ino  cache.Inode
		attr string
		want syscall.Errno
	}{
		{here, xattrURL, syscall.ENODATA}, {here, xattrState, 0}, {here, "system.x", syscall.EOPNOTSUPP},
		{pending, xattrState, syscall.ESTALE}, {9999, xattrState, syscall.ESTALE}, {9999, "user.other", syscall.ENODATA},
	} {
		if got := get(c.ino, c.attr); got != fuse.Status(c.want) {
			t.Errorf("%s of %d: %v, want %v", c.attr, c.ino, got, c.want)
		}
	}
	if got := f.stateOf(&cache.Entry{Arriving: true}); got != "arriving" {
		t.Errorf("a file that arrives is %q", got)
	}
	s.fail(errors.New("disk on fire"))
	f.log.expect("disk on fire")
	if got := get(here, xattrState); got != fuse.EIO {
		t.Errorf("broken store: %v", got)
	}
}

// ls -l asks for attributes of the first file and not of each.
func TestLsAsksForFewXAttrs(t *testing.T) {
	const files = 1000
	s := newFakeStore()
	s.complete.Store(true)
	for i := range files {
		s.file(1, fmt.Sprintf("f%04d", i), "x")
	}
	r := newRig(t, s, nil)
	for range 2 {
		if n := strings.Count(r.ok("ls", "-l", r.dir), "\n"); n != files+1 {
			t.Errorf("%d lines", n)
		}
	}
	if n := r.m.Stats().XAttrs; n > 20 {
		t.Errorf("%d requests for attributes of %d files", n, files)
	}
	// What a copy takes along is no attribute of ours.
	to := t.TempDir()
	before := r.m.Stats().XAttrs
	r.ok("cp", "-a", r.dir, to+"/copy")
	if got := r.xattrs(to+"/copy/f0001", xattrState); got != "ENODATA " {
		t.Errorf("attributes are copied: %s", got)
	}
	// Of each file it asks for the ACL.
	if n := r.m.Stats().XAttrs - before; n > files+20 {
		t.Errorf("cp -a made %d requests for attributes of %d files", n, files)
	}
}
