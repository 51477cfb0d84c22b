package mirror_test

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/motefs/motefs/mirror/wire"
)

var (
	crashSeed  = flag.Uint64("crash.seed", 0, "the first seed of TestCrashes; 0: a random one")
	crashSeeds = flag.Int("crash.seeds", 20, "how many seeds TestCrashes tries")
)

// livesOfASeed is how often a mirror is begun with a seed; all but the last time the power
// is cut.
const livesOfASeed = 5

// crashing is a mirror that is crashed again and again.
type crashing struct {
	*books
	t      *testing.T
	rng    *rand.Rand
	files  int
	server *origintest.Server
	knobs  knobs
	had    int // files that were in the store when the last process ended
	crashed
}

// crashed counts what came of it, so that it cannot test nothing.
type crashed struct {
	cuts, midway, flushes int
	survived, lost        int // files that were in the store when a process ended
}

// TestCrashes cuts the power at random moments of mirrors, a few times of each: between any
// two writes to the disk, and at any request. What is left is sound and has all that was
// committed before a flush that had ended, with the same numbers; nothing of that is
// fetched again, and the mirror can be gone on with, to its end.
func TestCrashes(t *testing.T) {
	seed := *crashSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	var sum crashed
	seeds := max(1, *crashSeeds/share)
	for k := range uint64(seeds) {
		one := crashOne(t, seed+k)
		if t.Failed() {
			t.Fatalf("go test ./mirror -run TestCrashes -crash.seed %d -crash.seeds 1", seed+k)
		}
		sum.cuts, sum.midway, sum.flushes = sum.cuts+one.cuts, sum.midway+one.midway, sum.flushes+one.flushes
		sum.survived, sum.lost = sum.survived+one.survived, sum.lost+one.lost
	}
	t.Logf("seeds from %d: %+v", seed, sum)
	if sum.midway < seeds || sum.flushes < seeds || sum.survived == 0 || sum.lost == 0 {
		t.Errorf("this tests nothing: %+v", sum)
	}
}

func crashOne(t *testing.T, seed uint64) crashed {
	rng := rand.New(rand.NewPCG(seed, 4))
	files := modelFiles(rng, 30+rng.IntN(300), rng.IntN(2) == 0, rng.IntN(2) == 0)
	c := &crashing{books: newBooks(t, files, nil), t: t, rng: rng, files: len(files)}
	server, err := origintest.Open(serve.Options{PageSize: pick(rng, 1, 7, 50, 1000)}, origintest.NewFiles(files...))
	c.must(err)
	defer server.Close()
	c.server = server
	c.knobs.serve(server)
	disk := vfs.NewCrashableMem()
	for range livesOfASeed - 1 {
		disk = c.life(disk, 1+rng.IntN(2*len(files)))
		c.crashed.cuts++
	}
	c.life(disk, 0)
	return c.crashed
}

// pick is one of a few.
func pick(rng *rand.Rand, of ...int) int { return of[rng.IntN(len(of))] }

func (c *crashing) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// life opens the store on a disk, checks it, and mirrors until the power is cut, after so
// many moves, or to the end. It returns what is left.
func (c *crashing) life(disk *vfs.MemFS, moves int) *vfs.MemFS {
	power := newPower(disk, c.rng)
	store, err := cache.Open(cache.Options{Dir: "/store", Origin: c.server.URL(), FS: power.fs(), FlushEvery: -1, Reserve: -1, InlineLimit: modelInline})
	c.must(err)
	_, err = store.Verify(context.Background(), func(p string) { c.t.Error("verify: " + p) })
	c.must(err)
	c.must(c.check(store))
	had, asked := int(store.Progress().Fetched), c.server.Counts().Gets
	c.survived, c.lost = c.survived+had, c.lost+c.had-had
	client, err := origin.New(origin.Options{BaseURL: c.server.URL(), Options: wire.Options{InlineLimit: modelInline, Pipeline: pick(c.rng, 0, 1, 1000)}})
	c.must(err)
	engine, err := mirror.Open(mirror.Options{Store: store, Lister: client, Fetcher: client, Prefetch: true, Connections: pick(c.rng, 1, 3, 8), Backoff: time.Millisecond, Outage: time.Minute, Grace: -1})
	c.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	power.cutAfter(moves, cancel)
	stop := c.flushNowAndThen(store, power)
	err = engine.Run(ctx)
	stop()
	c.must(engine.Close())
	if err == nil {
		// It is on the disk, whatever comes.
		c.must(c.check(store))
		power.on(func() { c.keep(c.sight()) })
		asked := int(c.server.Counts().Gets-asked) - int(client.Counts().Guards)
		if p := store.Progress(); asked != c.files-had || !p.Complete() {
			c.t.Errorf("%d of %d files were there and %d were asked for: %+v", had, c.files, asked, p)
		}
	} else if moves == 0 || ctx.Err() == nil {
		c.t.Errorf("the mirror ends with %v", err)
	} else {
		c.crashed.midway++
	}
	c.must(client.Close())
	eventually.True(c.t, "what the process asked for to be counted", func() bool { return c.server.Counts().OpenConns == 0 })
	c.had = int(store.Progress().Fetched)
	left := power.left()
	c.must(store.Close())
	c.books.crashed()
	return left
}

// flushNowAndThen flushes the store at some of the requests, and notes what no crash may
// take from then on. stop ends that.
func (c *crashing) flushNowAndThen(store *cache.Store, power *power) (stop func()) {
	var requests atomic.Int64
	every := 1 + c.rng.Int64N(int64(c.files))
	due := make(chan struct{}, 1)
	c.knobs.onMove(func() {
		power.move()
		if requests.Add(1)%every == 0 {
			select {
			case due <- struct{}{}:
			default: // one is under way
			}
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-due:
			case <-ctx.Done():
				return
			}
			err := c.check(store)
			sight := c.sight()
			if err = errors.Join(err, store.Flush(context.Background())); err != nil {
				c.t.Error(err)
			}
			if power.on(func() { c.keep(sight) }) {
				c.crashed.flushes++
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
		c.knobs.onMove(nil)
	}
}
