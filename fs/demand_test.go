package fs

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
)

// Fifty programs that want the same missing file are one request.
func TestOneFetch(t *testing.T) {
	g := newGate()
	s := newFakeStore()
	s.pending(1, "a")
	r := newRig(t, s, g.fetch)
	const readers = 50
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			if got := r.ok("cat", r.path("a")); got != "content" {
				t.Errorf("%q", got)
			}
		})
	}
	<-g.asked
	g.release <- "content"
	wg.Wait()
	if n := r.contents.fetches("a"); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

// Listing a directory does not make the origin work, whether its files are here
// or not.
func TestListingFetchesNothing(t *testing.T) {
	s := newFakeStore()
	for i := range 1000 {
		if i%2 == 0 {
			s.pending(1, fmt.Sprintf("f%04d", i))
		} else {
			s.file(1, fmt.Sprintf("f%04d", i), "x")
		}
	}
	r := newRig(t, s, nil)
	// Not ls -i: that stats what it lists.
	for _, args := range [][]string{{"ls", r.dir}, {"ls", "-U", "-1", r.dir}, {"find", r.dir, "-type", "f"}} {
		if n := strings.Count(r.ok(args[0], args[1:]...), "\n"); n != 1000 {
			t.Errorf("%q: %d lines", args, n)
		}
	}
	if n := r.contents.fetches(""); n != 0 {
		t.Errorf("%d fetches", n)
	}
}

// ENOENT is remembered only where it is certain.
func TestMissing(t *testing.T) {
	s := newFakeStore()
	r := newRig(t, s, func(context.Context, string) (string, error) { return "", cache.ErrNotFound })
	missing := func() { r.Helper(); r.fails("No such file or directory", "stat", r.path("none")) }
	for i := range 3 {
		missing()
		if n := r.contents.fetches("none"); n != i+1 {
			t.Fatalf("%d fetches after %d tries", n, i+1)
		}
	}
	s.complete.Store(true)
	missing()
	lookups := r.m.Stats().Lookups
	missing()
	if n := r.contents.fetches("none"); n != 3 || r.m.Stats().Lookups != lookups {
		t.Errorf("%d fetches, %d lookups after %d", n, r.m.Stats().Lookups, lookups)
	}
	r.fails("File name too long", "stat", r.path(strings.Repeat("n", 256)))
}

// A file that turns out to be gone leaves the listing that the kernel keeps.
func TestGone(t *testing.T) {
	s := tree()
	d := s.dir(1, "listed")
	s.pending(d, "gone")
	s.pending(d, "stays")
	r := newRig(t, s, func(_ context.Context, name string) (string, error) {
		return "", fmt.Errorf("get %q: %w", name, cache.ErrNotFound)
	})
	for range 2 {
		if got := r.ok("ls", r.path("listed")); got != "gone\nstays\n" {
			t.Fatalf("%q", got)
		}
	}
	r.fails("No such file or directory", "cat", r.path("listed/gone"))
	eventually.True(t, "the name leaves", func() bool { return r.ok("ls", r.path("listed")) == "stays\n" })
}

// A signal for one waiting program ends its wait, and no other's.
func TestInterrupt(t *testing.T) {
	g := newGate()
	r := newRig(t, newFakeStore(), g.fetch)
	killed := process.Start(t, process.Command("cat", r.path("killed")))
	<-g.asked
	signalled := startChild(t, "open", r.path("signalled"))
	tid, err := strconv.Atoi(signalled.Line())
	if err != nil {
		t.Fatal(err)
	}
	<-g.asked
	waiting := startChild(t, "open", r.path("waiting"))
	waiting.Line()
	<-g.asked

	killed.Kill()
	if cause := <-g.ended; cause != errInterrupted {
		t.Errorf("killed: wait ended by %v", cause)
	}
	if err := unix.Tgkill(signalled.Pid(), tid, unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if got := signalled.Line(); got != "EINTR" {
		t.Errorf("signalled: %s", got)
	}
	if cause := <-g.ended; cause != errInterrupted {
		t.Errorf("signalled: wait ended by %v", cause)
	}
	select {
	case cause := <-g.ended:
		t.Errorf("the other wait ended too, by %v", cause)
	default:
	}
	g.release <- "content"
	if got := waiting.Line(); got != "opened" {
		t.Errorf("waiting: %s", got)
	}
	if n := r.m.Stats().Interrupts; n != 2 {
		t.Errorf("%d interrupts", n)
	}
}

func TestTimeout(t *testing.T) {
	r := newRig(t, newFakeStore(), newGate().fetch, func(o *Options) { o.DemandTimeout = 20 * time.Millisecond })
	r.log.expect("deadline exceeded")
	r.fails("Connection timed out", "cat", r.path("a"))
	if got := r.m.Stats(); got.Timeouts != 1 || got.Errors != 1 {
		t.Errorf("stats %+v", got)
	}
}
