package fs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/rs/zerolog"

	"github.com/motefs/motefs/cache"
)

// testFsys are handlers without a mount.
type testFsys struct {
	*fsys
	contents *fakeContents
	log      *testLog
	cancel   context.CancelCauseFunc
}

func newTestFsys(t *testing.T, s *fakeStore, origin func(context.Context, string) (string, error)) *testFsys {
	l := &testLog{}
	log := zerolog.New(l)
	c := newFakeContents(s, origin)
	t.Cleanup(func() { l.check(t) })
	f, cancel := startFsys(t, Options{Store: s, Contents: c, Log: &log})
	return &testFsys{f, c, l, cancel}
}

// startFsys makes handlers that end with the test.
func startFsys(t *testing.T, o Options) (*fsys, context.CancelCauseFunc) {
	o.EnsureDefaults()
	ctx, cancel := context.WithCancelCause(t.Context())
	var wg sync.WaitGroup
	t.Cleanup(func() {
		cancel(nil)
		wg.Wait()
	})
	return newFsys(ctx, &o, &wg), cancel
}

func (f *testFsys) lookup(name string) (fuse.EntryOut, fuse.Status) {
	var out fuse.EntryOut
	status := f.Lookup(nil, &fuse.InHeader{NodeId: 1}, name, &out)
	return out, status
}

func TestLookup(t *testing.T) {
	origin := func(_ context.Context, name string) (string, error) {
		if strings.HasPrefix(name, "new") {
			return "content", nil
		}
		return "", fmt.Errorf("get %q: %w", name, cache.ErrNotFound)
	}
	const certain, uncertain = defaultLease, time.Duration(0)
	for _, c := range []struct {
		name     string
		complete bool
		status   fuse.Status
		node     bool          // an inode is answered
		timeout  time.Duration // how long the kernel may keep the answer
		fetches  int
	}{
		{"here", false, fuse.OK, true, entryTimeout, 0},
		{"dir", false, fuse.OK, true, defaultLease, 0},
		{"new-pending", false, fuse.OK, true, entryTimeout, 1},
		{"new-pending", true, fuse.OK, true, entryTimeout, 1},
		{"new-unlisted", false, fuse.OK, true, entryTimeout, 1},
		{"new-unlisted", true, fuse.OK, false, certain, 0},
		{"none", false, fuse.ENOENT, false, uncertain, 1},
		{"none", true, fuse.OK, false, certain, 0},
		{"gone", false, fuse.ENOENT, false, uncertain, 0},
		{"gone", true, fuse.OK, false, certain, 0},
		{"goes-pending", false, fuse.ENOENT, false, uncertain, 1},
		{"goes-pending", true, fuse.OK, false, certain, 1},
		{strings.Repeat("n", 255), true, fuse.OK, false, certain, 0},
		{strings.Repeat("n", 256), false, fuse.Status(syscall.ENAMETOOLONG), false, uncertain, 0},
	} {
		s := newFakeStore()
		s.file(1, "here", "x")
		s.dir(1, "dir")
		s.pending(1, "new-pending")
		s.pending(1, "goes-pending")
		s.add(1, "gone", cache.Entry{State: cache.Gone})
		s.complete.Store(c.complete)
		f := newTestFsys(t, s, origin)
		out, status := f.lookup(c.name)
		if status != c.status || (out.NodeId != 0) != c.node || out.EntryTimeout() != c.timeout || f.contents.fetches("") != c.fetches {
			t.Errorf("%.20s, complete %v: %v, node %d, %v, %d fetches; want %+v", c.name, c.complete,
				status, out.NodeId, out.EntryTimeout(), f.contents.fetches(""), c)
		}
		if wantNote := c.name == "goes-pending" && c.complete; (len(f.notes) == 1) != wantNote {
			t.Errorf("%s, complete %v: %d notes", c.name, c.complete, len(f.notes))
		}
	}
}

// The listing may end between the look into the store and the question whether
// it has ended; a file that came with the last page must not be ENOENT then.
func TestLookupWhileListingEnds(t *testing.T) {
	s := newFakeStore()
	s.between = func() {
		s.file(1, "last", "x")
		s.complete.Store(true)
	}
	f := newTestFsys(t, s, nil)
	if out, status := f.lookup("last"); status != fuse.OK || out.NodeId == 0 {
		t.Errorf("%v, node %d", status, out.NodeId)
	}
	if n := f.contents.fetches(""); n != 0 {
		t.Errorf("%d fetches", n)
	}
}

func TestLookupErrors(t *testing.T) {
	s := newFakeStore()
	f := newTestFsys(t, s, func(ctx context.Context, name string) (string, error) {
		return "", errors.New("origin on fire")
	})
	f.log.expect("origin on fire")
	f.log.expect("disk on fire")
	if _, status := f.lookup("a"); status != fuse.EIO {
		t.Errorf("error of the contents: %v", status)
	}
	s.fail(errors.New("disk on fire"))
	if _, status := f.lookup("a"); status != fuse.EIO {
		t.Errorf("error of the store: %v", status)
	}
	if got := f.stats.snapshot(); got.Errors != 2 || got.Misses != 1 || got.Lookups != 2 {
		t.Errorf("stats %+v", got)
	}
}

// A wait for the origin ends in its own way for each cause.
func TestDemandEnds(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(f *testFsys, interrupt chan struct{})
		want syscall.Errno
	}{
		{"interrupt", func(_ *testFsys, interrupt chan struct{}) { close(interrupt) }, syscall.EINTR},
		{"unmount", func(f *testFsys, _ chan struct{}) { f.cancel(errUnmounting) }, syscall.ENOTCONN},
		{"context of Open", func(f *testFsys, _ chan struct{}) { f.cancel(nil) }, syscall.ENOTCONN},
		{"timeout", func(f *testFsys, _ chan struct{}) {}, syscall.ETIMEDOUT},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGate()
			f := newTestFsys(t, newFakeStore(), g.fetch)
			if c.want == syscall.ETIMEDOUT {
				f.timeout = time.Millisecond
				f.log.expect("deadline exceeded")
			}
			interrupt := make(chan struct{})
			var status fuse.Status
			var wg sync.WaitGroup
			wg.Go(func() {
				var out fuse.EntryOut
				status = f.Lookup(interrupt, &fuse.InHeader{NodeId: 1}, "a", &out)
			})
			<-g.asked
			c.end(f, interrupt)
			wg.Wait()
			if status != fuse.Status(c.want) {
				t.Errorf("%v, want %v", status, c.want)
			}
		})
	}
}

func TestGetAttr(t *testing.T) {
	s := newFakeStore()
	here := s.file(1, "here", strings.Repeat("x", 1000))
	dated := s.add(1, "undated", cache.Entry{State: cache.Blob, Size: 1, Fetched: 1_700_000_000})
	dir := s.dir(1, "dir")
	pending := s.pending(1, "pending")
	gone := s.add(1, "gone", cache.Entry{State: cache.Gone})
	s.final.Store(true)
	f := newTestFsys(t, s, nil)
	for _, c := range []struct {
		ino    cache.Inode
		status syscall.Errno
		mode   uint32
		size   uint64
		blocks uint64
		mtime  uint64
	}{
		{here, 0, 0o100444, 1000, 2, 1_600_000_000},
		{dated, 0, 0o100444, 1, 1, 1_700_000_000},
		{dir, 0, 0o040555, 0, 0, 1_700_000_000},
		{cache.RootInode, 0, 0o040555, 0, 0, uint64(f.mounted)},
		{pending, syscall.ESTALE, 0, 0, 0, 0},
		{gone, syscall.ESTALE, 0, 0, 0, 0},
		{9999, syscall.ESTALE, 0, 0, 0, 0},
	} {
		var out fuse.AttrOut
		in := fuse.GetAttrIn{InHeader: fuse.InHeader{NodeId: uint64(c.ino)}}
		if status := f.GetAttr(nil, &in, &out); status != fuse.Status(c.status) {
			t.Errorf("inode %d: %v", c.ino, status)
		} else if c.status == 0 && (out.Ino != uint64(c.ino) || out.Mode != c.mode || out.Size != c.size || out.Blocks != c.blocks ||
			out.Mtime != c.mtime || out.Nlink != 1 || out.Timeout() != entryTimeout) {
			t.Errorf("inode %d: %+v", c.ino, out)
		}
	}
	s.fail(errors.New("disk on fire"))
	f.log.expect("disk on fire")
	var out fuse.AttrOut
	if status := f.GetAttr(nil, &fuse.GetAttrIn{InHeader: fuse.InHeader{NodeId: 1}}, &out); status != fuse.EIO {
		t.Errorf("root of a broken store: %v", status)
	}
}

func TestRead(t *testing.T) {
	s := newFakeStore()
	ino := s.file(1, "a", "0123456789")
	f := newTestFsys(t, s, nil)
	for _, c := range []struct {
		off, size int
		want      string
	}{{0, 10, "0123456789"}, {0, 4, "0123"}, {8, 4, "89"}, {10, 4, ""}, {1000, 4, ""}} {
		in := fuse.ReadIn{InHeader: fuse.InHeader{NodeId: uint64(ino)}, Offset: uint64(c.off), Size: uint32(c.size)}
		result, status := f.Read(nil, &in, make([]byte, c.size))
		if status != fuse.OK {
			t.Fatal(status)
		}
		if got, _ := result.Bytes(nil); string(got) != c.want {
			t.Errorf("%d bytes at %d: %q", c.size, c.off, got)
		}
	}
	in := fuse.ReadIn{InHeader: fuse.InHeader{NodeId: 9999}}
	if _, status := f.Read(nil, &in, nil); status != fuse.Status(syscall.ESTALE) {
		t.Errorf("unknown inode: %v", status)
	}
}

// A thousand failures are a thousand counts, and few lines.
func TestErrorsAreSampled(t *testing.T) {
	s := newFakeStore()
	s.fail(errors.New("disk on fire"))
	f := newTestFsys(t, s, nil)
	f.log.expect("disk on fire")
	for range 1000 {
		f.lookup("a")
	}
	if lines := len(f.log.mu.lines); lines > 2*logBurst || f.stats.errors.Load() != 1000 {
		t.Errorf("%d lines, %d errors", lines, f.stats.errors.Load())
	}
}

// What a request costs here, next to the Store's own cost.
func TestAllocations(t *testing.T) {
	s := newFakeStore()
	ino := s.file(1, "a", "x")
	f := newTestFsys(t, s, nil)
	buf := make([]byte, 4096)
	attr := fuse.GetAttrIn{InHeader: fuse.InHeader{NodeId: uint64(ino)}}
	read := fuse.ReadIn{InHeader: attr.InHeader}
	var out fuse.AttrOut
	for name, c := range map[string]struct {
		limit float64
		do    func()
	}{
		"getattr": {0, func() { f.GetAttr(nil, &attr, &out) }},
		"read":    {1, func() { f.Read(nil, &read, buf) }},
	} {
		if got := testing.AllocsPerRun(100, c.do); got > c.limit {
			t.Errorf("%s: %v allocations, at most %v", name, got, c.limit)
		}
	}
}
