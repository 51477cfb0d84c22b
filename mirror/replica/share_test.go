package replica

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror/objects/objectstest"
)

// gets counts what is got of a store, by what it is, and may hold it up.
type gets struct {
	mu   sync.Mutex
	of   map[string]int
	hold func(name string) objectstest.Fault
}

func (g *gets) hook(op objectstest.Op, name string) objectstest.Fault {
	g.mu.Lock()
	defer g.mu.Unlock()
	if op == objectstest.OpGet {
		g.of[name]++
	}
	if g.hold != nil {
		return g.hold(name)
	}
	return objectstest.Fine
}

func (g *gets) count(prefix string) (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for name, c := range g.of {
		if strings.HasPrefix(name, prefix) {
			n += c
		}
	}
	return n
}

// TestColdReadBringsOneSegment has one file be read, by many at once: the names of the segments
// that it and its directories stand in come, and the contents of one segment, each once.
func TestColdReadBringsOneSegment(t *testing.T) {
	plain := objectstest.New(objectstest.Options{})
	w := whole(t, 11, plain, 100, worldOptions{files: 1000, flat: true})
	g := &gets{of: map[string]int{}}
	r := opened(t, t.TempDir()+"/store", plain.Client(objectstest.Options{Hook: g.hook}), func(o *Options) { o.quiet = true })
	name := w.listing[555].Origin
	var group errgroup.Group
	for range 50 {
		rd := newReader(r, 1)
		group.Go(func() error { return w.check(t.Context(), rd, cache.RootInode, name, name) })
	}
	w.must(group.Wait())
	if names, contents := g.count("names/"), g.count("contents/"); names != 1 || contents != 2 {
		t.Errorf("one file of 1,000 in 10 segments gets %d name segments, and %d tables, one of them the outcome", names, contents)
	}
	// A name that is nowhere is looked for in one segment.
	if _, err := newReader(r, 1).lookup(t.Context(), cache.RootInode, name+"x"); !errors.Is(err, cache.ErrNotFound) {
		t.Error(err)
	}
	if names := g.count("names/"); names > 2 {
		t.Errorf("a name that is nowhere gets %d name segments", names)
	}
	// The first names of a directory need the first segments alone.
	rd := newReader(r, 1)
	w.must(r.Ready(t.Context(), cache.RootInode, 0))
	first := 0
	w.must(rd.names.ReadDir(cache.RootInode, 0, func(cache.DirEntry) bool { first++; return true }))
	if first == 0 || first == 1000 {
		t.Errorf("%d names are ready", first)
	}
	if all, err := rd.list(t.Context(), cache.RootInode); err != nil || len(all) != 1000 {
		t.Errorf("%d names: %v", len(all), err)
	}
	if names := g.count("names/"); names != 10 {
		t.Errorf("a whole directory gets %d name segments of 10", names)
	}
}

// TestDownloadThatHangs ends the waits of readers, and a replica that is closed, while the
// object store hangs.
func TestDownloadThatHangs(t *testing.T) {
	plain := objectstest.New(objectstest.Options{})
	w := whole(t, 12, plain, 100, worldOptions{files: 300, flat: true})
	hung := make(chan struct{}, 100)
	g := &gets{of: map[string]int{}, hold: func(name string) objectstest.Fault {
		if strings.HasPrefix(name, "names/") {
			hung <- struct{}{}
			return objectstest.Hung
		}
		return objectstest.Fine
	}}
	r := opened(t, t.TempDir()+"/store", plain.Client(objectstest.Options{Hook: g.hook}))
	<-hung
	ctx, cancel := contextWithCancel(t)
	done := make(chan error)
	go func() {
		_, err := newReader(r, 1).lookup(ctx, cache.RootInode, w.listing[0].Origin)
		done <- err
	}()
	eventually.True(t, "the reader waits", func() bool { return r.demanded.Load() > 0 })
	cancel()
	if err := <-done; err == nil || errors.Is(err, cache.ErrNotFound) {
		t.Errorf("a reader that stops waiting: %v", err)
	}
	go func() {
		_, err := newReader(r, 1).lookup(t.Context(), cache.RootInode, w.listing[200].Origin)
		done <- err
	}()
	eventually.True(t, "the reader waits", func() bool { return r.demanded.Load() > 0 })
	w.must(r.Close())
	if err := <-done; !errors.Is(err, ErrClosed) {
		t.Errorf("a reader of what is closed: %v", err)
	}
}
