package mirror_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/origintest/saying"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/motefs/motefs/mirror/wire"
)

var (
	modelSeed  = flag.Uint64("model.seed", 0, "the first seed of TestModel; 0: a random one")
	modelSeeds = flag.Int("model.seeds", 10, "how many seeds TestModel tries")
)

const (
	// modelSteps is how many operations a seed has.
	modelSteps = 40
	// modelVanishing is the share of the files that go away at the origin, at most.
	modelVanishing = 0.1
)

// model is an engine with its store and its origin, and the books that it is compared
// with. A seed gives the same operations again; what runs at the same time may still
// interleave in another way.
type model struct {
	*books
	t      *testing.T
	rng    *rand.Rand
	files  []origintest.File // listed
	src    *origintest.Files // all
	server *origintest.Server
	knobs  *knobs
	did    []string
	gone   int // files that vanished

	power *power
	store *cache.Store
	// engine is nil while nobody needs one.
	engine   *mirror.Engine
	client   *origin.Client
	prefetch bool
	// troubled and notThere: the origin misbehaved while this engine was open, so that
	// its readers may get errors, and be told that files do not exist.
	troubled, notThere bool
	run                *modelRun // nil where none is under way
}

// modelRun is a Run under way.
type modelRun struct {
	cancel context.CancelFunc
	whole  bool // nothing stops it
	err    chan error
}

func newModel(t *testing.T, seed uint64) *model {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 3))
	n, unlisted := 20+rng.IntN(150), []origintest.File{{Name: "unlisted", Body: modelBody("unlisted")}, {Name: "u/unlisted", Body: modelBody("u/unlisted")}}
	m := &model{t: t, rng: rng, knobs: &knobs{}, files: modelFiles(rng, n, rng.IntN(2) == 0, rng.IntN(2) == 0)}
	m.books, m.src = newBooks(t, m.files, unlisted), origintest.NewFiles(slices.Concat(m.files, unlisted)...)
	var err error
	m.server, err = origintest.Open(serve.Options{PageSize: pick(rng, 1, 7, 50, 1000)}, moreGot{origintest.NewFiles(m.files...), m.src})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.close()
		m.must(m.store.Close())
		m.must(m.server.Close())
		if t.Failed() {
			t.Logf("go test ./mirror -run 'TestModel$' -model.seed %d -model.seeds 1\n%s", seed, strings.Join(m.did, "\n"))
		}
	})
	m.knobs.serve(m.server)
	m.boot(vfs.NewCrashableMem())
	return m
}

func (m *model) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// note adds to what was done.
func (m *model) note(format string, args ...any) { m.did = append(m.did, fmt.Sprintf(format, args...)) }

// boot opens the store that stands on a disk, or makes one there.
func (m *model) boot(disk *vfs.MemFS) {
	m.t.Helper()
	m.power = newPower(disk, m.rng)
	m.knobs.onMove(m.power.move)
	var err error
	m.store, err = cache.Open(cache.Options{Dir: "/store", Origin: m.server.URL(), FS: m.power.fs(), FlushEvery: -1, Reserve: -1, InlineLimit: modelInline})
	m.must(err)
}

// open opens an engine where there is none.
func (m *model) open() {
	m.t.Helper()
	if m.engine != nil {
		return
	}
	var err error
	pipeline := pick(m.rng, 0, 0, 1, 8, 1000)
	m.client, err = origin.New(origin.Options{BaseURL: m.server.URL(), Options: wire.Options{InlineLimit: modelInline, Pipeline: pipeline}})
	m.must(err)
	m.troubled, m.notThere = m.knobs.faulty()
	o := mirror.Options{Store: m.store, Lister: m.client, Fetcher: m.client, Prefetch: m.rng.IntN(4) > 0, Connections: pick(m.rng, 1, 2, 8), Backoff: time.Millisecond, Outage: time.Minute, Grace: -1}
	if m.troubled {
		o.Outage = 200 * time.Millisecond
	}
	says := m.rng.IntN(2) == 0
	if says {
		o.Lister = saying.Lister{Lister: m.client, Say: func(l *mirror.Listed) { l.Size, l.ModTime = int64(len(modelBody(l.Name))), modelTime }}
	}
	m.engine, err = mirror.Open(o)
	m.must(err)
	m.prefetch = o.Prefetch
	m.note("engine: prefetch %v, %d connections, pipeline %d, a listing that says lengths %v", o.Prefetch, o.Connections, pipeline, says)
}

// close ends a Run and the engine, so that nothing is written any more.
func (m *model) close() {
	m.t.Helper()
	if m.run != nil {
		m.run.cancel()
		m.run.whole = false
		m.end()
	}
	if m.engine != nil {
		m.must(m.engine.Close())
		m.must(m.client.Close())
		m.engine = nil
	}
}

// begin starts a Run, which goes on beside what comes.
func (m *model) begin() {
	if m.run != nil {
		return
	}
	m.open()
	ctx, cancel := context.WithCancel(context.Background())
	m.run = &modelRun{cancel: cancel, whole: m.rng.IntN(2) == 0, err: make(chan error, 1)}
	if !m.run.whole {
		m.knobs.stopAfter(1+m.rng.IntN(2*len(m.files)), cancel)
	}
	m.note("run: to its end %v", m.run.whole)
	go func(e *mirror.Engine, r *modelRun) { r.err <- e.Run(ctx) }(m.engine, m.run)
}

// end waits for the Run, and checks how it ends.
func (m *model) end() {
	m.t.Helper()
	if m.run == nil {
		return
	}
	if !m.run.whole {
		m.run.cancel()
	}
	err := <-m.run.err
	m.run.cancel()
	m.knobs.stopAfter(0, nil)
	whole, p := m.run.whole, m.store.Progress()
	m.run = nil
	m.note("run ends: %v", err)
	switch {
	case err != nil && whole && !m.troubled:
		m.t.Errorf("an origin that is well gives %v", err)
	case err == nil && !p.ListingComplete:
		m.t.Errorf("a whole run ends with %+v", p)
	case err == nil && m.prefetch && !m.troubled && !p.Complete():
		m.t.Errorf("an origin that is well gives %+v", p)
	}
}

// crash cuts the power, in the middle of a Run or at rest, and boots what is left.
func (m *model) crash() {
	if m.rng.IntN(3) > 0 {
		m.begin()
		m.power.cutAfter(1+m.rng.IntN(3*len(m.files)), func() {})
		m.end()
	}
	left := m.power.left()
	m.note("crash")
	m.close()
	m.must(m.store.Close())
	m.crashed()
	m.boot(left)
}

// reopen closes the store, which loses nothing.
func (m *model) reopen() {
	m.close()
	m.must(m.check(m.store))
	m.must(m.store.Close())
	m.keep(m.sight())
	m.note("reopen")
	m.boot(m.power.disk)
}

func (m *model) flush() {
	m.must(m.check(m.store))
	sight := m.sight()
	m.must(m.store.Flush(context.Background()))
	m.keep(sight)
	m.note("flush")
}

// trouble turns the knobs.
func (m *model) trouble() {
	if m.run != nil && m.run.whole && !m.troubled {
		return // it is to end well
	}
	m.note("origin: %s", m.knobs.turn(m.rng))
	is, notThere := m.knobs.faulty()
	m.troubled, m.notThere = m.troubled || is, m.notThere || notThere
}

// vanish takes a file away at the origin.
func (m *model) vanish() {
	if m.gone++; float64(m.gone) > modelVanishing*float64(len(m.files)) {
		return
	}
	name := m.files[m.rng.IntN(len(m.files))].Name
	m.books.vanish(name)
	m.src.Vanish(name)
	m.note("vanished: %q", name)
}

// readSome has a few readers at the same time.
func (m *model) readSome() {
	m.open()
	paths := slices.Sorted(func(yield func(string) bool) {
		for path := range m.books.files {
			if !yield(path) {
				return
			}
		}
	})
	var wg sync.WaitGroup
	for range 1 + m.rng.IntN(6) {
		path := paths[m.rng.IntN(len(paths))]
		if m.rng.IntN(10) == 0 {
			path += "-not-there"
		}
		m.note("read %q", path)
		wg.Go(func() {
			if err := m.readPath(path); err != nil {
				m.t.Errorf("read %q: %v", path, err)
			}
		})
	}
	wg.Wait()
}

// step does one thing.
func (m *model) step() {
	switch m.rng.IntN(16) {
	case 0, 1, 2:
		m.begin()
	case 3, 4:
		m.end()
	case 5, 6, 7, 8:
		m.readSome()
	case 9, 10:
		m.list()
	case 11:
		m.trouble()
	case 12:
		m.vanish()
	case 13:
		m.crash()
	case 14:
		m.reopen()
	case 15:
		m.flush()
	}
	m.must(m.check(m.store))
	if m.run == nil && m.rng.IntN(2) == 0 {
		m.close()
	}
	if m.engine == nil {
		m.verify()
	}
}

func (m *model) verify() {
	m.t.Helper()
	_, err := m.store.Verify(context.Background(), func(p string) { m.t.Error("verify: " + p) })
	m.must(err)
}

// finish mirrors what is left from an origin that is well.
func (m *model) finish() {
	m.t.Helper()
	m.close()
	m.knobs.heal()
	for m.prefetch = false; !m.prefetch; { // as one that only lists
		m.close()
		m.open()
	}
	m.begin()
	m.run.whole = true
	m.knobs.stopAfter(0, nil)
	m.end()
	m.close()
	m.must(m.check(m.store))
	m.verify()
}

// TestModel has random operations of an engine and its store, beside an origin that
// misbehaves, files that vanish and power cuts, and compares what is there with plain maps
// after each of them.
func TestModel(t *testing.T) {
	seed := *modelSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seeds from %d", seed)
	for k := range uint64(max(1, *modelSeeds/share)) {
		t.Run(fmt.Sprint(seed+k), func(t *testing.T) {
			m := newModel(t, seed+k)
			for range modelSteps {
				if m.step(); t.Failed() {
					return
				}
			}
			m.finish()
		})
	}
}
