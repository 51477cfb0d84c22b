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

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
)

// TestListedSizesFetchNothing asks for sizes and times of files that are not here, which
// the listing says, and then reads one.
func TestListedSizesFetchNothing(t *testing.T) {
	const files = 200
	s := newFakeStore()
	s.complete.Store(true)
	for i := range files {
		s.promised(1, fmt.Sprintf("f%03d", i), 1025)
	}
	r := newRig(t, s, func(context.Context, string) (string, error) { return strings.Repeat("x", 1025), nil })
	ls := r.ok("ls", "-l", "--time-style=+%s", r.dir)
	if n := strings.Count(ls, " 1025 1600000000 f"); n != files {
		t.Errorf("ls -l says %d times what was listed:\n%.200s", n, ls)
	}
	if got := r.ok("find", r.dir, "-type", "f", "-size", "1025c"); strings.Count(got, "\n") != files {
		t.Errorf("find: %.200s", got)
	}
	if got := r.ok("du", "-c", "-B", "512", r.dir); !strings.HasSuffix(got, fmt.Sprintf("%d\ttotal\n", files*3)) {
		t.Errorf("du: %q", got)
	}
	const format = "%s %b %Y %i"
	before := r.ok("stat", "-c", format, r.path("f007"))
	if n := r.contents.fetches(""); n != 0 {
		t.Errorf("%d fetches for sizes and times", n)
	}
	if got := r.ok("cat", r.path("f007")); got != strings.Repeat("x", 1025) {
		t.Errorf("%.30q", got)
	}
	if after := r.ok("stat", "-c", format, r.path("f007")); after != before {
		t.Errorf("%q, and before it was read %q", after, before)
	}
	if n := r.contents.fetches(""); n != 1 {
		t.Errorf("%d fetches for one file that is read", n)
	}
}

// TestOneFetchForManyReads has fifty programs read a file that is not here.
func TestOneFetchForManyReads(t *testing.T) {
	g := newGate()
	s := newFakeStore()
	s.promised(1, "a", 7)
	r := newRig(t, s, g.fetch)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if got := r.ok("cat", r.path("a")); got != "content" {
				t.Errorf("%q", got)
			}
		})
	}
	<-g.asked
	g.release <- "content"
	wg.Wait()
	if n := r.contents.fetches("a"); n != 1 || r.m.Stats().Misses != 1 {
		t.Errorf("%d fetches, %d misses", n, r.m.Stats().Misses)
	}
}

// TestTurnedOutAnother reads a file that is longer, or shorter, than it was listed: an
// error, and neither the beginning of it nor zeros. Who looks the name up again finds it.
func TestTurnedOutAnother(t *testing.T) {
	for what, content := range map[string]string{"longer": strings.Repeat("long", 3000), "shorter": "x", "empty": ""} {
		t.Run(what, func(t *testing.T) {
			s := newFakeStore()
			s.complete.Store(true)
			s.promised(1, "a", 5000)
			r := newRig(t, s, func(context.Context, string) (string, error) { return content, nil })
			if got := r.ok("stat", "-c", "%s", r.path("a")); got != "5000\n" {
				t.Errorf("%q", got)
			}
			held := startChild(t, "begin", r.path("a"))
			if got := held.Line(); got != "opened" {
				t.Fatal(got)
			}
			out, err := r.run("cat", r.path("a"))
			if err == nil || !strings.HasSuffix(strings.TrimSpace(out), "Stale file handle") {
				t.Errorf("%.60q, %v", out, err)
			}
			eventually.True(t, "the new one", func() bool {
				out, err := r.run("cat", r.path("a"))
				if err == nil && out != content {
					t.Errorf("%.60q", out)
				}
				return err == nil
			})
			if got := r.ok("stat", "-c", "%s", r.path("a")); got != fmt.Sprintln(len(content)) {
				t.Errorf("%q", got)
			}
			held.Stdin.Write([]byte("x"))
			if got := held.Line(); got != "ESTALE" {
				t.Errorf("who had it open reads %s", got)
			}
			held.Kill()
			if n := r.contents.fetches("a"); n != 1 {
				t.Errorf("%d fetches", n)
			}
		})
	}
}

// TestListedAndGone reads a listed file that the origin does not have any more.
func TestListedAndGone(t *testing.T) {
	s := newFakeStore()
	s.complete.Store(true)
	s.promised(1, "gone", 100)
	s.promised(1, "stays", 100)
	r := newRig(t, s, func(_ context.Context, name string) (string, error) {
		return "", fmt.Errorf("get %q: %w", name, cache.ErrNotFound)
	})
	if got := r.ok("ls", r.dir); got != "gone\nstays\n" {
		t.Fatalf("%q", got)
	}
	r.fails("Stale file handle", "cat", r.path("gone"))
	eventually.True(t, "the name leaves", func() bool { return r.ok("ls", r.dir) == "stays\n" })
	r.fails("No such file or directory", "cat", r.path("gone"))
}

// TestListedAndFails reads a listed file that the origin does not give, and then does.
func TestListedAndFails(t *testing.T) {
	s := newFakeStore()
	s.promised(1, "a", 7)
	var mu sync.Mutex
	answer := errors.New("out of service")
	r := newRig(t, s, func(context.Context, string) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		return "content", answer
	})
	r.log.expect("out of service")
	for range 2 {
		r.fails("Input/output error", "cat", r.path("a"))
		if got := r.ok("stat", "-c", "%s", r.path("a")); got != "7\n" {
			t.Errorf("%q", got)
		}
	}
	mu.Lock()
	answer = nil
	mu.Unlock()
	if got := r.ok("cat", r.path("a")); got != "content" {
		t.Errorf("%q", got)
	}
}

// TestReadOfAListedFileEnds has a read wait for the origin: it ends with its program, with
// DemandTimeout, and with the mount.
func TestReadOfAListedFileEnds(t *testing.T) {
	hanging := func(t *testing.T, change ...func(*Options)) (*rig, *gate) {
		g, s := newGate(), newFakeStore()
		s.promised(1, "a", 7)
		return newRig(t, s, g.fetch, change...), g
	}
	t.Run("signal", func(t *testing.T) {
		r, g := hanging(t)
		cat := process.Start(t, process.Command("cat", r.path("a")))
		<-g.asked
		cat.Kill()
		r.close()
	})
	t.Run("timeout", func(t *testing.T) {
		r, _ := hanging(t, func(o *Options) { o.DemandTimeout = 20 * time.Millisecond })
		r.log.expect("deadline exceeded")
		for tries := range 3 {
			r.fails("Connection timed out", "cat", r.path("a"))
			if n := r.contents.fetches("a"); n != tries+1 {
				t.Errorf("%d waits in %d tries", n, tries+1)
			}
		}
	})
	t.Run("unmount", func(t *testing.T) {
		r, g := hanging(t)
		cat := process.Start(t, process.Command("cat", r.path("a")))
		<-g.asked
		r.close()
		if cat.Wait() == 0 {
			t.Errorf("cat ends well")
		}
	})
}

// TestListedFileArrives reads the beginning of a listed file while the rest is coming.
func TestListedFileArrives(t *testing.T) {
	const size = 1 << 20
	s := newFakeStore()
	ino := s.promised(1, "long", size)
	r := newRig(t, s, nil)
	a := &r.contents.fakeArrivals
	a.mu.asked = make(chan int64, 1)
	if got := r.ok("stat", "-c", "%s %Y", r.path("long")); got != fmt.Sprintf("%d 1600000000\n", size) {
		t.Errorf("%q", got)
	}
	a.set(func() {
		a.mu.entry = &cache.Entry{Inode: ino, State: cache.Pending, Arriving: true, Size: size, ModTime: 1_600_000_000}
		a.mu.body = strings.Repeat("a", size/2)
	})
	if got := r.ok("head", "-c", "5", r.path("long")); got != "aaaaa" {
		t.Errorf("%q", got)
	}
}

// filling is a store into which a mirror puts a file between two looks of a reader.
type filling struct {
	*fakeStore
	fill func()
}

func (s *filling) ReadAt(ino cache.Inode, p []byte, off int64) (int, error) {
	n, err := s.fakeStore.ReadAt(ino, p, off)
	s.fill()
	return n, err
}

// TestListedIsMirroredBetween reads a listed file that comes while the reader looks.
func TestListedIsMirroredBetween(t *testing.T) {
	s := newFakeStore()
	ino := s.promised(1, "a", 7)
	c := newFakeContents(s, nil)
	f, _ := startFsys(t, Options{Contents: c, Store: &filling{s, func() {
		s.set(ino, func(e *cache.Entry) { e.State, e.Content = cache.Inline, []byte("content") })
	}}})
	buf := make([]byte, 10)
	result, status := f.Read(nil, &fuse.ReadIn{InHeader: fuse.InHeader{NodeId: uint64(ino)}}, buf)
	if status != fuse.OK || string(buf[:result.Size()]) != "content" || c.fetches("") != 0 {
		t.Errorf("%v, %q, %d fetches", status, buf, c.fetches(""))
	}
}

// TestListedAttributes looks at what the kernel is told of a file that is not here, and for
// how long it may believe it.
func TestListedAttributes(t *testing.T) {
	s := newFakeStore()
	s.complete.Store(true)
	ino := s.promised(1, "a", 1025)
	s.add(1, "no-time", cache.Entry{State: cache.Pending, Size: 1025})
	f := newTestFsys(t, s, nil)
	f.log.expect("no origin in this test")
	out, status := f.lookup("a")
	if status != fuse.OK || out.NodeId != uint64(ino) || out.Size != 1025 || out.Blocks != 3 || out.Mtime != 1_600_000_000 ||
		out.EntryTimeout() != listedTimeout || out.AttrTimeout() != listedTimeout {
		t.Errorf("%v, %+v", status, out)
	}
	var attr fuse.AttrOut
	if status := f.GetAttr(nil, &fuse.GetAttrIn{InHeader: fuse.InHeader{NodeId: uint64(ino)}}, &attr); status != fuse.OK || attr.Size != 1025 || attr.Timeout() != listedTimeout {
		t.Errorf("%v, %+v", status, attr)
	}
	buf := make([]byte, 100)
	n, status := f.GetXAttr(nil, &fuse.InHeader{NodeId: uint64(ino)}, xattrState, buf)
	if status != fuse.OK || string(buf[:n]) != "listed" {
		t.Errorf("%v, %q", status, buf[:n])
	}
	if n := f.contents.fetches(""); n != 0 {
		t.Errorf("%d fetches", n)
	}
	// Where the listing does not say the time, it would be another once the file came.
	if _, status := f.lookup("no-time"); status != fuse.EIO || f.contents.fetches("no-time") != 1 {
		t.Errorf("%v, %d fetches", status, f.contents.fetches("no-time"))
	}
	f.nextChange = func() time.Time { return time.Now().Add(time.Hour) }
	if out, _ := f.lookup("a"); out.EntryTimeout() < 50*time.Minute || out.AttrTimeout() > time.Hour {
		t.Errorf("%v, %v", out.EntryTimeout(), out.AttrTimeout())
	}
	s.drop(ino)
	if status := f.GetAttr(nil, &fuse.GetAttrIn{InHeader: fuse.InHeader{NodeId: uint64(ino)}}, &attr); status != fuse.Status(syscall.ESTALE) {
		t.Errorf("%v", status)
	}
}
