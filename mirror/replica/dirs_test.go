package replica

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/objectstest"
	"github.com/motefs/motefs/mirror/segments"
)

// gauge is a store that notes how many objects are got at a time.
type gauge struct {
	objects.Store
	mu             sync.Mutex
	gets, now, top int
}

func (g *gauge) count(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gets, g.now = g.gets+max(n, 0), g.now+n
	g.top = max(g.top, g.now)
}

func (g *gauge) Get(ctx context.Context, name string, off, n int64) (io.ReadCloser, int64, error) {
	g.count(1)
	defer g.count(-1)
	return g.Store.Get(ctx, name, off, n)
}

// TestDirsComeWhileOthersAreIngested has tables of directories be downloaded while one is ingested, which
// takes as long as it takes: all of them come, few at a time, and are ingested together. One that is
// damaged keeps no other from coming.
func TestDirsComeWhileOthersAreIngested(t *testing.T) {
	const n, damaged = 100, 41
	memory := objectstest.New(objectstest.Options{})
	w := newWorld(t, 1, memory, worldOptions{})
	for k := range n {
		name := fmt.Sprintf("d%03d/f", k)
		w.truth[name] = truth{content: []byte(name)}
		w.listing = append(w.listing, cache.Name{Origin: name, Size: -1})
	}
	for range n {
		w.grow(1)
	}
	dirs, files := namesOf(memory, &w.ready[damaged])
	dirs = slices.Clone(dirs)
	dirs[len(dirs)/2] ^= 4
	w.replaceNames(&w.ready[damaged], dirs, files)
	w.seal(nil)
	store := &gauge{Store: memory}
	r := opened(t, t.TempDir()+"/store", store, func(o *Options) { o.quiet = true })
	segs := r.catalog.Load().segs
	before := store.gets
	r.arrived.turn.Lock() // somebody ingests
	brought := make(chan error, 1)
	go func() { brought <- r.bring(t.Context(), &lacking{dirs: segs}) }()
	eventually.True(t, "all are downloaded", func() bool {
		r.arrived.mu.Lock()
		defer r.arrived.mu.Unlock()
		return len(r.arrived.mu.waiting) == n
	})
	store.mu.Lock()
	if store.gets != before+n || store.top > dirDownloads {
		t.Errorf("%d were got, %d at a time", store.gets-before, store.top)
	}
	store.mu.Unlock()
	r.arrived.turn.Unlock()
	w.must(<-brought)
	for k, s := range segs {
		if s.dirs.Load() == (k == damaged) {
			t.Errorf("the directories of segment %d are here: %v", k, s.dirs.Load())
		}
	}
}

// TestReadersAskForMore: who has come far has more directories brought at a time than who begins.
func TestReadersAskForMore(t *testing.T) {
	for before, most := range map[int]int{0: dirDownloads, dirDownloads + 7: dirDownloads + 7, 100 * mostDirs: mostDirs} {
		var l lacking
		n := 0
		for k := before; l.add(newSegment(segments.Sealed{Seq: uint64(k)}), k, func(kind cache.Kind) bool { return kind == cache.Dir }); k++ {
			n++
		}
		if n+1 != most || len(l.dirs) != most {
			t.Errorf("%d segments on, %d come at a time, and not %d", before, len(l.dirs), most)
		}
	}
}
