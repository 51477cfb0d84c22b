package fs

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest/eventually"
)

// trap panics where it is set.
type trap struct{ at atomic.Value }

func (p *trap) set(method string) { p.at.Store(method) }

func (p *trap) pass(method string) {
	if p.at.Load() == method {
		panic("planted in " + method)
	}
}

// trapStore and trapContents are those of the other tests with traps.
type trapStore struct {
	*fakeStore
	*trap
}

func (s trapStore) Lookup(parent cache.Inode, name string) (cache.Entry, error) {
	s.pass("Lookup")
	return s.fakeStore.Lookup(parent, name)
}

func (s trapStore) Get(ino cache.Inode) (cache.Entry, error) {
	s.pass("Get")
	return s.fakeStore.Get(ino)
}

func (s trapStore) NameOf(ino cache.Inode) (string, error) {
	s.pass("NameOf")
	return s.fakeStore.NameOf(ino)
}

func (s trapStore) ReadAt(ino cache.Inode, p []byte, off int64) (int, error) {
	s.pass("ReadAt")
	return s.fakeStore.ReadAt(ino, p, off)
}

func (s trapStore) ReadDir(dir, after cache.Inode, fn func(cache.DirEntry) bool) error {
	s.pass("ReadDir")
	return s.fakeStore.ReadDir(dir, after, fn)
}

func (s trapStore) ReadDirPlus(dir, after cache.Inode, fn func(cache.DirEntry, cache.Entry, error) bool) error {
	s.pass("ReadDir")
	return s.fakeStore.ReadDirPlus(dir, after, fn)
}

func (s trapStore) Usage() cache.Usage {
	s.pass("Usage")
	return s.fakeStore.Usage()
}

func (s trapStore) ListingComplete() bool {
	s.pass("ListingComplete")
	return s.fakeStore.ListingComplete()
}

func (s trapStore) Changes() (uint64, bool) {
	s.pass("Changes")
	return s.fakeStore.Changes()
}

type trapContents struct {
	*fakeContents
	*trap
}

func (c trapContents) Fetch(ctx context.Context, parent cache.Inode, name string) (cache.Entry, error) {
	c.pass("Fetch")
	return c.fakeContents.Fetch(ctx, parent, name)
}

func (c trapContents) Shown(ino cache.Inode) (*cache.Entry, uint64) {
	c.pass("Shown")
	return c.fakeContents.Shown(ino)
}

func (c trapContents) Arriving(ino cache.Inode) (*cache.Entry, error) {
	c.pass("Arriving")
	return c.fakeContents.Arriving(ino)
}

func (c trapContents) ReadAt(ctx context.Context, ino cache.Inode, p []byte, off int64, patience time.Duration) (int, bool, error) {
	c.pass("await")
	return c.fakeContents.ReadAt(ctx, ino, p, off, patience)
}

// In each handler, whatever it calls panics: the program that asked gets EIO, the
// stack is in the log, and the next one finds the mount at work.
func TestPanic(t *testing.T) {
	for _, c := range []struct {
		at      string
		program []string // its last argument is in the mount
	}{
		{"Lookup", []string{"stat", "a"}},
		{"Shown", []string{"stat", "a"}},
		{"Fetch", []string{"stat", "pending"}},
		{"Get", []string{"stat", "."}},
		{"Changes", []string{"stat", "dir"}},
		{"ReadAt", []string{"cat", "a"}},
		{"Arriving", []string{"cat", "a"}},
		{"await", []string{"cat", "arriving"}},
		{"ReadDir", []string{"ls", "dir"}},
		{"ListingComplete", []string{"ls", "."}},
		{"Usage", []string{"stat", "-f", "."}},
		{"NameOf", []string{"xattr", "a"}},
	} {
		t.Run(c.at, func(t *testing.T) {
			s, set := tree(), &trap{}
			s.complete.Store(false) // so that OPENDIR is asked each time
			s.pending(cache.RootInode, "pending")
			arriving := s.pending(cache.RootInode, "arriving")
			origin := func(context.Context, string) (string, error) { return "content", nil }
			var contents trapContents
			var stacks atomic.Int64
			r := newRig(t, s, origin, func(o *Options) {
				contents = trapContents{o.Contents.(*fakeContents), set}
				o.Store, o.Contents, o.Lease, o.FilesURL = trapStore{s, set}, contents, time.Nanosecond, "http://origin/get/"
				o.Hooks.Panic = func(any, []byte) { stacks.Add(1) }
			})
			r.log.expect("trap).pass") // its stack
			contents.set("")
			contents.fakeArrivals.set(func() {
				contents.fakeArrivals.mu.entry = &cache.Entry{Inode: arriving, State: cache.Pending, Arriving: true, Size: 4}
				contents.fakeArrivals.mu.body = "body"
			})
			run := func() (string, error) {
				args := append([]string(nil), c.program[1:]...)
				args[len(args)-1] = r.path(args[len(args)-1])
				if c.program[0] == "xattr" {
					return r.xattrs(args[0], xattrURL), nil
				}
				return r.run(c.program[0], args...)
			}
			set.set(c.at)
			if out, _ := run(); !strings.Contains(out, "Input/output error") && out != "EIO " {
				t.Errorf("%q says %q", c.program, out)
			}
			set.set("")
			if out, err := run(); err != nil || out == "EIO " {
				t.Errorf("%q says %q afterwards", c.program, out)
			}
			if n := r.m.Stats().Panics; n == 0 || n != stacks.Load() {
				t.Errorf("%d panics counted, %d told", n, stacks.Load())
			}
		})
	}
}

// Neither does one end the goroutine that delivers invalidations.
func TestPanicInNotify(t *testing.T) {
	s, set := tree(), &trap{}
	r := newRig(t, s, nil, func(o *Options) { o.Store, o.Hooks.Panic = trapStore{s, set}, nil })
	r.log.expect("planted in Lookup")
	set.set("Lookup")
	r.m.Invalidate(cache.RootInode, "a")
	eventually.True(t, "it panics", func() bool { return r.m.Stats().Panics == 1 })
	set.set("")
	r.ok("ls", r.dir)
}

// A thousand panics are a thousand counts, and few stacks; and errors do not use up
// their lines.
func TestPanicsAreSampled(t *testing.T) {
	s := newFakeStore()
	f := newTestFsys(t, s, nil)
	f.log.expect("handler panicked")
	for range 1000 {
		f.fail(opRead, 1, "", errNotHere)
		f.panicked("planted")
	}
	f.log.expect("request failed")
	f.log.mu.Lock()
	defer f.log.mu.Unlock()
	if lines := len(f.log.mu.lines); lines > 4*logBurst || f.stats.panics.Load() != 1000 {
		t.Errorf("%d lines, %d counted", lines, f.stats.panics.Load())
	}
}
