package fs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
)

// late holds one answer between its computation and its being written.
type late struct {
	fuse.RawFileSystem
	mu struct {
		sync.Mutex
		op operation // whose next answer is held; operations: none
	}
	computed, release chan struct{}
}

func newLate() *late {
	l := &late{computed: make(chan struct{}), release: make(chan struct{})}
	l.next(operations)
	return l
}

func (l *late) between(handlers fuse.RawFileSystem) fuse.RawFileSystem {
	l.RawFileSystem = handlers
	return l
}

// next holds the next answer to op.
func (l *late) next(op operation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.op = op
}

func (l *late) done(op operation) {
	l.mu.Lock()
	held := l.mu.op == op
	if held {
		l.mu.op = operations
	}
	l.mu.Unlock()
	if held {
		l.computed <- struct{}{}
		<-l.release
	}
}

func (l *late) Lookup(cancel <-chan struct{}, in *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	defer l.done(opLookup)
	return l.RawFileSystem.Lookup(cancel, in, name, out)
}

func (l *late) GetAttr(cancel <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	defer l.done(opGetAttr)
	return l.RawFileSystem.GetAttr(cancel, in, out)
}

func (l *late) ReadDir(cancel <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	defer l.done(opReadDir)
	return l.RawFileSystem.ReadDir(cancel, in, out)
}

func (l *late) ReadDirPlus(cancel <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	defer l.done(opReadDir)
	return l.RawFileSystem.ReadDirPlus(cancel, in, out)
}

// shortLease is short for a test that waits for its end.
const shortLease = 20 * time.Millisecond

// A name goes, or comes, while an answer that does not know of it yet is under way.
// The notification overtakes the answer, and so does nothing about what the kernel
// takes from it; the end of the lease does.
func TestAnswerUnderWayDuringAChange(t *testing.T) {
	for _, op := range []operation{opReadDir, opGetAttr, opLookup} {
		t.Run(op.String(), func(t *testing.T) {
			s := newFakeStore()
			s.complete.Store(true)
			dir := s.dir(cache.RootInode, "dir")
			s.file(dir, "stays", "x")
			goes := s.pending(dir, "goes")
			l := newLate()
			r := newRig(t, s, nil, func(o *Options) { o.Lease, o.between = shortLease, l.between })
			ls := func() []string { return strings.Fields(r.ok("ls", r.path("dir"))) }
			if op != opReadDir {
				ls() // the kernel keeps it
			}
			l.next(op)
			ended := make(chan int, 1)
			eventually.True(t, "the kernel asks, with the end of the lease", func() bool {
				under := process.Start(t, process.Command("ls", r.path("dir")))
				go func() { ended <- under.Wait() }()
				select {
				case <-l.computed:
					return true
				case <-ended:
					return false
				}
			})
			s.set(goes, func(e *cache.Entry) { e.State = cache.Gone })
			s.file(dir, "comes", "x")
			r.m.fs.deliver(note{parent: dir, name: "goes"}, r.m.server)
			l.release <- struct{}{}
			if status := <-ended; status != 0 {
				t.Errorf("ls ends with %d", status)
			}
			eventually.True(t, "the change is seen", func() bool { return slices.Equal(ls(), []string{"comes", "stays"}) })
		})
	}
}

// A LOOKUP shows a file that is arriving; before the kernel has the answer, the file
// is taken back and found anew in another version. Nobody reads it, which would
// tell the kernel.
func TestArrivingIsTakenBackDuringLookup(t *testing.T) {
	l := newLate()
	r, ino := arrivingRig(t, 100, func(o *Options) { o.Lease, o.between = shortLease, l.between })
	a := &r.contents.fakeArrivals
	l.next(opLookup)
	stat := process.Start(t, process.Command("stat", "-c", "%s", r.path("long")))
	<-l.computed
	a.set(func() { a.mu.err, a.mu.times = errors.New("broken off"), 1 })
	r.m.fs.deliver(note{parent: cache.RootInode, name: "long"}, r.m.server)
	l.release <- struct{}{}
	if stat.Wait(); stat.Stdout.String() != "100\n" {
		t.Errorf("stat says %s", stat)
	}
	a.set(func() {
		a.mu.entry = &cache.Entry{Inode: ino, State: cache.Pending, Arriving: true, Size: 200, ModTime: 1_600_000_001}
	})
	eventually.True(t, "the new version is seen", func() bool { return r.ok("stat", "-c", "%s", r.path("long")) == "200\n" })
}

// An invalidation waits neither for a READ nor for a LOOKUP that waits for the
// origin.
func TestInvalidateWaitsForNobody(t *testing.T) {
	g := newGate()
	r, _ := arrivingRig(t, 8, func(o *Options) { o.Contents.(*fakeContents).origin = g.fetch })
	a := &r.contents.fakeArrivals
	cat := process.Start(t, process.Command("cat", r.path("long")))
	<-a.mu.asked
	open := startChild(t, "open", r.path("unlisted"))
	open.Line()
	<-g.asked
	delivered := make(chan struct{})
	go func() {
		r.m.fs.deliver(note{parent: cache.RootInode, name: "long"}, r.m.server)
		close(delivered)
	}()
	eventually.True(t, "the invalidation is delivered", func() bool {
		select {
		case <-delivered:
			return true
		default:
			return false
		}
	})
	a.set(func() { a.mu.body = "complete" })
	if status := cat.Wait(); status != 0 || cat.Stdout.String() != "complete" {
		t.Errorf("cat ends with %d: %s", status, cat)
	}
	g.release <- ""
	if got := open.Line(); got != "opened" {
		t.Error(got)
	}
}

// What may change is believed for the lease, all else for a day.
func TestLease(t *testing.T) {
	s := newFakeStore()
	s.complete.Store(true)
	s.file(cache.RootInode, "here", "x")
	dir := s.dir(cache.RootInode, "dir")
	long := s.pending(cache.RootInode, "long")
	f := newTestFsys(t, s, func(context.Context, string) (string, error) { return "", errNoOrigin })
	f.contents.fakeArrivals.mu.entry = &cache.Entry{Inode: long, State: cache.Pending, Arriving: true, Size: 5}
	for _, c := range []struct {
		name       string
		final      bool
		entry, att time.Duration
	}{
		{"here", false, entryTimeout, entryTimeout},
		{"here", true, entryTimeout, entryTimeout},
		{"dir", false, defaultLease, defaultLease},
		{"dir", true, entryTimeout, entryTimeout},
		{"long", false, defaultLease, defaultLease},
		{"none", false, defaultLease, 0},
		{"none", true, defaultLease, 0},
	} {
		s.final.Store(c.final)
		out, status := f.lookup(c.name)
		if !status.Ok() || out.EntryTimeout() != c.entry || out.AttrTimeout() != c.att {
			t.Errorf("%s, final %v: %v, name %v, attributes %v", c.name, c.final, status, out.EntryTimeout(), out.AttrTimeout())
		}
	}
	// A directory's time is later after each change, and is not odd before.
	for want := range uint32(3) {
		var out fuse.AttrOut
		if status := f.GetAttr(nil, &fuse.GetAttrIn{InHeader: fuse.InHeader{NodeId: uint64(dir)}}, &out); !status.Ok() || out.Mtimensec != want {
			t.Errorf("%v, %d ns after %d changes", status, out.Mtimensec, want)
		}
		s.changes.Add(1)
	}
}

// Where files may change, the kernel believes a name until the next change can come, and
// for the lease once that may be now. What it knows of a number stays true.
func TestLeaseUntilTheNextChange(t *testing.T) {
	s := newFakeStore()
	s.complete.Store(true)
	s.final.Store(true)
	s.file(cache.RootInode, "here", "x")
	s.dir(cache.RootInode, "dir")
	f := newTestFsys(t, s, func(context.Context, string) (string, error) { return "", errNoOrigin })
	next := time.Time{}
	f.nextChange = func() time.Time { return next }
	for _, c := range []struct {
		in, most time.Duration
	}{
		{in: time.Hour, most: time.Hour},
		{in: -time.Hour, most: defaultLease},
		{in: time.Second, most: defaultLease},
		{in: 100 * time.Hour, most: entryTimeout},
	} {
		next = time.Now().Add(c.in)
		least := c.most - time.Minute
		for _, name := range []string{"here", "dir"} {
			out, status := f.lookup(name)
			if !status.Ok() || out.EntryTimeout() > c.most || out.EntryTimeout() < least {
				t.Errorf("%s, a change in %v: %v, name %v", name, c.in, status, out.EntryTimeout())
			}
			if want := name == "here"; want != (out.AttrTimeout() == entryTimeout) && c.most != entryTimeout {
				t.Errorf("%s, a change in %v: attributes %v", name, c.in, out.AttrTimeout())
			}
		}
		if out, _ := f.lookup("none"); out.EntryTimeout() != defaultLease {
			t.Errorf("a missing name is believed for %v", out.EntryTimeout())
		}
	}
}

// refreshedStore is a store of which a refresh ends while it answers.
type refreshedStore struct {
	*fakeStore
	ended func()
}

func (s refreshedStore) Lookup(parent cache.Inode, name string) (cache.Entry, error) {
	defer s.ended()
	return s.fakeStore.Lookup(parent, name)
}

func (s refreshedStore) Get(ino cache.Inode) (cache.Entry, error) {
	defer s.ended()
	return s.fakeStore.Get(ino)
}

// TestLeaseOfAnAnswerOfBefore has a refresh end between what the store says and the answer:
// that is not believed until the next one.
func TestLeaseOfAnAnswerOfBefore(t *testing.T) {
	s := newFakeStore()
	s.complete.Store(true)
	s.final.Store(true)
	s.file(cache.RootInode, "here", "x")
	dir := s.dir(cache.RootInode, "dir")
	f := newTestFsys(t, s, func(context.Context, string) (string, error) { return "", errNoOrigin })
	next := time.Time{}
	f.nextChange = func() time.Time { return next }
	f.store = refreshedStore{s, func() { next = time.Now().Add(time.Hour) }}
	for _, name := range []string{"here", "dir"} {
		next = time.Time{}
		if out, status := f.lookup(name); !status.Ok() || out.EntryTimeout() != defaultLease {
			t.Errorf("%s: %v, %v", name, status, out.EntryTimeout())
		}
	}
	next = time.Time{}
	var out fuse.AttrOut
	if status := f.GetAttr(nil, &fuse.GetAttrIn{InHeader: fuse.InHeader{NodeId: uint64(dir)}}, &out); !status.Ok() || out.Timeout() != defaultLease {
		t.Errorf("attributes: %v, %v", status, out.Timeout())
	}
}

// Files that did not change keep what the kernel has of them: after the end of a lease it
// asks for the name, and neither for the attributes nor for the content.
func TestUnchangedFilesStayWarm(t *testing.T) {
	s := newFakeStore()
	s.complete.Store(true)
	s.final.Store(true)
	s.file(cache.RootInode, "stays", "x")
	old := s.file(cache.RootInode, "changes", "old")
	r := newRig(t, s, nil, func(o *Options) { o.Lease, o.NextChange = shortLease, func() time.Time { return time.Time{} } })
	read := func() string { return r.ok("cat", r.path("stays"), r.path("changes")) }
	read()
	reader := process.Start(t, process.Command("sh"))
	reader.Eval(fmt.Sprintf("exec 3<%q", r.path("changes")))
	before := r.m.Stats()
	s.file(cache.RootInode, "changes", "new") // under another number
	eventually.True(t, "the new file is seen", func() bool { return read() == "xnew" })
	after := r.m.Stats()
	if n := after.ReadBytes - before.ReadBytes; n != int64(len("new")) {
		t.Errorf("%d bytes were read", n)
	}
	if after.Lookups == before.Lookups {
		t.Error("no name was asked for")
	}
	if got := reader.Eval("cat <&3"); got != "old" {
		t.Errorf("who has inode %d open reads %q", old, got)
	}
	reader.Kill()
}

func TestLeaseIsBounded(t *testing.T) {
	for lease, ok := range map[time.Duration]bool{-1: false, 1: true, 24 * time.Hour: true, 24*time.Hour + 1: false} {
		o := Options{Mountpoint: "/mnt", Store: newFakeStore(), Contents: newFakeContents(nil, nil), Lease: lease}
		o.EnsureDefaults()
		if err := o.Validate(); (err == nil) != ok || !ok && !strings.Contains(err.Error(), fmt.Sprint(lease)) {
			t.Errorf("%v: %v", lease, err)
		}
	}
}
