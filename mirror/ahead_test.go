package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// calls counts the calls of a Fetcher, each of which costs a round trip.
type calls struct {
	mirror.Fetcher
	n atomic.Int64
}

func (c *calls) Fetch(ctx context.Context, names []string, to mirror.Receiver) error {
	c.n.Add(1)
	return c.Fetcher.Fetch(ctx, names, to)
}

// listed is a rig whose store has all names and no file, with an engine for
// readers.
func listed(t *testing.T, src serve.Source) (*rig, *mirror.Engine, *calls) {
	t.Helper()
	r := newRig(t, serve.Options{}, src)
	r.must(r.run(func(o *mirror.Options) { o.Prefetch = false }))
	c := &calls{Fetcher: r.client}
	return r, r.engine(func(o *mirror.Options) { o.Fetcher, o.Prefetch = c, false }), c
}

// demand has a reader look a file of the root up, as a mount does.
func (r *rig) demand(e *mirror.Engine, name string) (cache.Entry, error) {
	if entry, err := r.store.Lookup(cache.RootInode, name); err == nil && entry.Here() {
		return entry, nil
	}
	return e.Fetch(context.Background(), cache.RootInode, name)
}

func TestReadaheadFollowsAReaderInOrder(t *testing.T) {
	const files = 6000
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: files})
	r, e, c := listed(t, src)
	for i := range int64(files) {
		if entry, err := r.demand(e, src.Name(i)); err != nil || !entry.Here() {
			t.Fatal(i, entry, err)
		}
	}
	r.must(e.Close())
	if n := c.n.Load(); n > files/100 {
		t.Errorf("%d round trips for %d files", n, files)
	}
	if n := r.gets(); n != files {
		t.Errorf("%d gets for %d files", n, files)
	}
	r.same(src)
	r.verify()
}

// TestNoReadaheadForAReaderOutOfOrder asks for files here and there.
func TestNoReadaheadForAReaderOutOfOrder(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 50_000})
	r, e, _ := listed(t, src)
	seen := map[int64]bool{}
	for k := range int64(200) {
		// A step that no two of them come close in.
		i := k * 7919 % src.Len()
		if seen[i] {
			t.Fatal("the test asks twice")
		}
		seen[i] = true
		if _, err := r.demand(e, src.Name(i)); err != nil {
			t.Fatal(err)
		}
	}
	r.must(e.Close())
	if n := r.gets(); n != 200 {
		t.Errorf("%d gets for 200 files", n)
	}
}

// TestReadaheadOfManyReaders has readers in order at several places, some of
// them together, and one get a file.
func TestReadaheadOfManyReaders(t *testing.T) {
	const files = 8000
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: files})
	r, e, c := listed(t, src)
	var wg sync.WaitGroup
	for k := range int64(16) {
		wg.Go(func() {
			for i := k / 2 * 1000; i < k/2*1000+1000; i++ {
				if entry, err := r.demand(e, src.Name(i)); err != nil || !entry.Here() {
					t.Errorf("%d: %+v, %v", i, entry, err)
					return
				}
			}
		})
	}
	wg.Wait()
	r.must(e.Close())
	if n := c.n.Load(); n > files/20 {
		t.Errorf("%d round trips for %d files", n, files)
	}
	// Where two readers come to the edge of a window at once, one may ask for a
	// file by itself that is on its way.
	if n := r.gets(); n < files || n > files+files/50 {
		t.Errorf("%d gets for %d files", n, files)
	}
	r.same(src)
	r.verify()
}

// TestReadaheadOfFilesThatFail has one file that is broken, one that is gone and
// one that is cut, in the way of a reader.
func TestReadaheadOfFilesThatFail(t *testing.T) {
	var names []string
	for i := range 500 {
		names = append(names, fmt.Sprintf("f%03d", i))
	}
	src := named(names...)
	r, e, _ := listed(t, src)
	src.Vanish("f050")
	r.server.SetFaults(origintest.Faults{OnGet: func(name []byte, _ int) origintest.Fault {
		switch string(name) {
		case "f100":
			return origintest.Fault{Status: 403}
		case "f200":
			return origintest.Fault{Mode: origintest.Cut}
		case "f300":
			return origintest.Fault{Mode: origintest.Raw, Body: []byte("SSH-2.0-OpenSSH\r\n\r\n"), Close: true}
		}
		return origintest.Fault{}
	}})
	for _, name := range names {
		_, err := r.demand(e, name)
		switch name {
		case "f050":
			if !errors.Is(err, cache.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		case "f100", "f200", "f300":
			if err == nil || errors.Is(err, cache.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		default:
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	r.must(e.Close())
	r.verify()
	if p := r.store.Progress(); p.Fetched != 496 || p.Gone != 1 || p.Failed != 0 {
		t.Errorf("%+v", p)
	}
	for _, name := range names[400:] {
		if got := r.read(name); got != "body of "+name {
			t.Errorf("%s holds %q", name, got)
		}
	}
}

// TestReadaheadStopsAtLongFiles has files that nobody may want whole.
func TestReadaheadStopsAtLongFiles(t *testing.T) {
	var files []origintest.File
	for i := range 40 {
		files = append(files, origintest.File{Name: fmt.Sprintf("f%02d", i), Body: []byte(strings.Repeat("x", 5<<20))})
	}
	r, e, _ := listed(t, origintest.NewFiles(files...))
	for i := range 3 {
		if _, err := r.demand(e, files[i].Name); err != nil {
			t.Fatal(err)
		}
	}
	r.must(e.Close())
	for i := 8; i < 40; i++ {
		if entry, err := r.store.Lookup(cache.RootInode, files[i].Name); err != nil || entry.Here() {
			t.Errorf("%s was read ahead", files[i].Name)
		}
	}
}

// TestReadaheadEndsWithTheEngine closes while an origin hangs in a window, under
// readers that wait for it.
func TestReadaheadEndsWithTheEngine(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 2000})
	r, e, _ := listed(t, src)
	hung := make(chan struct{}, 100)
	r.server.SetFaults(origintest.Faults{OnGet: func(name []byte, _ int) origintest.Fault {
		if i, _ := src.Index(name); i == 700 {
			select {
			case hung <- struct{}{}:
			default:
			}
			return origintest.Fault{Mode: origintest.Hang}
		}
		return origintest.Fault{}
	}})
	ended := make(chan error)
	go func() {
		for i := range src.Len() {
			if _, err := r.demand(e, src.Name(i)); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	<-hung
	r.must(e.Close())
	if err := <-ended; err == nil {
		t.Error("the reader got all files")
	}
	r.verify()
}

// TestReadaheadAtRandom mixes readers in order and out of order with a mirror.
func TestReadaheadAtRandom(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	const files = 3000
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: files, VarySize: true, LargeEvery: 400, LargeSize: 100 << 10})
	r, e, _ := listed(t, src)
	m := r.engine(nil)
	var wg sync.WaitGroup
	for k := range uint64(8) {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, k))
			at := rng.Int64N(files)
			for range 500 {
				if rng.IntN(20) == 0 {
					at = rng.Int64N(files)
				}
				if _, err := r.demand(e, src.Name(at)); err != nil {
					t.Errorf("%d: %v", at, err)
				}
				at = (at + 1 + int64(rng.IntN(3))/2) % files
			}
		})
	}
	wg.Go(func() { r.must(m.Run(context.Background())) })
	wg.Wait()
	r.must(e.Close())
	r.complete(files)
	r.same(src)
}
