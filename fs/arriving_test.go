package fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest/process"
)

// fakeArrivals is a file that arrives as a test says, or none.
type fakeArrivals struct {
	mu struct {
		sync.Mutex
		entry  *cache.Entry
		body   string // what has come
		err    error
		times  uint64
		change chan struct{}
		asked  chan int64 // offsets that are waited for
	}
}

// set changes what there is of it.
func (a *fakeArrivals) set(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
	if a.mu.change != nil {
		close(a.mu.change)
	}
	a.mu.change = make(chan struct{})
}

func (a *fakeArrivals) Arriving(ino cache.Inode) (*cache.Entry, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.entry == nil || a.mu.entry.Inode != ino {
		return nil, nil
	}
	if a.mu.err != nil {
		return nil, a.mu.err
	}
	return a.mu.entry, nil
}

func (a *fakeArrivals) Shown(ino cache.Inode) (*cache.Entry, uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.entry == nil || a.mu.entry.Inode != ino {
		return nil, 0
	}
	a.mu.err = nil
	return a.mu.entry, a.mu.times
}

func (a *fakeArrivals) ReadAt(ctx context.Context, ino cache.Inode, p []byte, off int64, patience time.Duration) (int, bool, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for first := true; ; first = false {
		a.mu.Lock()
		e, body, err, change := a.mu.entry, a.mu.body, a.mu.err, a.mu.change
		a.mu.Unlock()
		switch {
		case err != nil:
			return 0, true, err
		case e == nil || e.Inode != ino:
			return 0, false, nil
		case min(off+int64(len(p)), e.Size) <= int64(len(body)):
			return copy(p, body[min(off, int64(len(body))):]), true, nil
		}
		if first {
			select {
			case a.mu.asked <- off:
			default:
			}
		}
		select {
		case <-change:
		case <-ctx.Done():
			return 0, true, ctx.Err()
		case <-timer.C:
			return 0, true, context.DeadlineExceeded
		}
	}
}

// arrivingRig mounts a file "long" of size bytes of which nothing has come.
func arrivingRig(t *testing.T, size int64, change ...func(*Options)) (*rig, cache.Inode) {
	t.Helper()
	s := newFakeStore()
	ino := s.pending(1, "long")
	r := newRig(t, s, nil, change...)
	a := &r.contents.fakeArrivals
	a.mu.asked = make(chan int64, 1)
	a.set(func() {
		a.mu.entry = &cache.Entry{Inode: ino, State: cache.Pending, Arriving: true, Size: size, ModTime: 1_600_000_000}
	})
	return r, ino
}

// A program reads the beginning while the end is not there, and the rest when it
// has come; then the store has the file, under the same number.
func TestReadingWhatArrives(t *testing.T) {
	const size = 1 << 20
	body := strings.Repeat("0123456789abcdef", size/16)
	r, ino := arrivingRig(t, size)
	a := &r.contents.fakeArrivals
	if got := r.ok("stat", "-c", "%s %i", r.path("long")); got != fmt.Sprintf("%d %d\n", size, ino) {
		t.Errorf("stat says %q", got)
	}
	a.set(func() { a.mu.body = body[:size/2] })
	if got := r.ok("head", "-c", "16", r.path("long")); got != body[:16] {
		t.Errorf("%q", got)
	}
	cat := process.Start(t, process.Command("cat", r.path("long")))
	<-a.mu.asked
	r.store.set(ino, func(e *cache.Entry) {
		e.State, e.Content, e.Size, e.ModTime = cache.Blob, []byte(body), size, 1_600_000_000
	})
	a.set(func() { a.mu.entry = nil })
	if status := cat.Wait(); status != 0 || cat.Stdout.String() != body {
		t.Errorf("status %d, %d bytes", status, len(cat.Stdout.String()))
	}
	if got := r.ok("stat", "-c", "%s %i", r.path("long")); got != fmt.Sprintf("%d %d\n", size, ino) {
		t.Errorf("stat says %q", got)
	}
}

// open starts a program that has read the beginning of a file and keeps it open.
func (r *rig) open(path string) *process.Process {
	r.Helper()
	p := process.Start(r, process.Command("sh", "-c", `exec 3<"$1"; head -c 4096 <&3 >/dev/null; echo begun; read go; cat <&3; echo "status $?"`, "sh", path))
	p.Says("begun\n")
	return p
}

// rest has it read on.
func rest(p *process.Process) (body, stderr string) {
	_, _ = io.WriteString(p.Stdin, "go\n")
	p.Wait()
	return strings.TrimPrefix(p.Stdout.String(), "begun\n"), p.Stderr.String()
}

// A file that is taken back is an error for whoever reads it, not a shorter one;
// found anew it is another file to the kernel, and the open one stays an error.
func TestArrivingIsTakenBack(t *testing.T) {
	const size = 1 << 20
	r, _ := arrivingRig(t, size)
	a := &r.contents.fakeArrivals
	r.log.expect("broken off")
	a.set(func() { a.mu.body = strings.Repeat("a", size/2) })
	one, two := r.open(r.path("long")), r.open(r.path("long"))
	a.set(func() { a.mu.err, a.mu.times = errors.New("broken off"), 1 })
	r.m.Invalidate(1, "long")
	if body, stderr := rest(one); strings.TrimLeft(body, "a") != "status 1\n" {
		t.Errorf("whoever reads on gets %d bytes, ending %q, and %s", len(body), body[max(0, len(body)-20):], stderr)
	}
	a.set(func() { a.mu.body = strings.Repeat("b", size) })
	if got := r.ok("cat", r.path("long")); got != strings.Repeat("b", size) {
		t.Errorf("found anew it holds %d bytes, %.10q", len(got), got)
	}
	if body, stderr := rest(two); strings.TrimLeft(body, "a") != "status 1\n" {
		t.Errorf("whoever had it open gets %d bytes, ending %q, and %s", len(body), body[max(0, len(body)-20):], stderr)
	}
}

// A wait for bytes ends with a signal, with DemandTimeout, and with the mount.
func TestWaitForBytesEnds(t *testing.T) {
	t.Run("signal", func(t *testing.T) {
		r, _ := arrivingRig(t, 100)
		cat := process.Start(t, process.Command("cat", r.path("long")))
		<-r.contents.fakeArrivals.mu.asked
		cat.Kill()
	})
	t.Run("timeout", func(t *testing.T) {
		r, _ := arrivingRig(t, 100, func(o *Options) { o.DemandTimeout = 20 * time.Millisecond })
		r.log.expect("deadline exceeded")
		r.fails("Connection timed out", "cat", r.path("long"))
	})
	t.Run("unmount", func(t *testing.T) {
		r, _ := arrivingRig(t, 100)
		cat := process.Start(t, process.Command("cat", r.path("long")))
		<-r.contents.fakeArrivals.mu.asked
		r.close()
		if cat.Wait() == 0 {
			t.Errorf("cat ends well")
		}
	})
}
