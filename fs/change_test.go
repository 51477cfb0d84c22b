package fs

import (
	"strings"
	"testing"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest/eventually"
)

// A new file is seen: in the directory once somebody says so, by its name once
// the kernel forgets that it was missing.
func TestNewFile(t *testing.T) {
	s := tree()
	r := newRig(t, s, nil, func(o *Options) { o.Lease = shortLease })
	r.ok("ls", r.dir)
	r.fails("No such file or directory", "stat", r.path("new"))
	s.file(1, "new", "x")
	r.m.Invalidate(1, "new")
	eventually.True(t, "it is listed", func() bool { return strings.Contains(r.ok("ls", r.dir), "\nnew\n") })
	eventually.True(t, "it is found", func() bool { _, err := r.run("stat", r.path("new")); return err == nil })
}

// A file that changes, and then goes, is seen to, though the kernel was told
// that it may keep what it knows for a day.
func TestChangedFile(t *testing.T) {
	s := tree()
	r := newRig(t, s, nil)
	if got := r.ok("cat", r.path("a")); got != "content of a\n" {
		t.Errorf("%q", got)
	}
	s.set(cache.FirstInode, func(e *cache.Entry) { e.Content, e.Size = []byte("other"), 5 })
	r.m.Invalidate(1, "a")
	eventually.True(t, "it changes", func() bool { return r.ok("cat", r.path("a")) == "other" })
	s.set(cache.FirstInode, func(e *cache.Entry) { e.State = cache.Gone })
	r.m.Invalidate(1, "a")
	eventually.True(t, "it goes", func() bool {
		out, err := r.run("stat", r.path("a"))
		return err != nil && strings.Contains(out, "No such file or directory")
	})
	r.fails("No such file or directory", "cat", r.path("a"))
}

// While one file hangs at the origin, an invalidation does not stop the rest of
// its directory.
func TestInvalidateWhileOriginHangs(t *testing.T) {
	g := newGate()
	s := tree()
	s.pending(1, "hangs")
	r := newRig(t, s, g.fetch)
	c := startChild(t, "open", r.path("hangs"))
	c.Line()
	<-g.asked
	r.ok("cat", r.path("a"))
	s.set(cache.FirstInode, func(e *cache.Entry) { e.Content, e.Size = []byte("other"), 5 })
	r.m.Invalidate(1, "a")
	eventually.True(t, "it changes", func() bool { return r.ok("cat", r.path("a")) == "other" })
	r.ok("cat", r.path("dir/b")) // was not looked up before
	r.ok("ls", r.dir)
	g.release <- "content"
	if got := c.Line(); got != "opened" {
		t.Error(got)
	}
}
