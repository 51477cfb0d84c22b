package mirror_test

import (
	"context"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/motefs/motefs/mirror/wire"
)

// TestRefreshCrashes cuts the power at random moments of a refresh, a few times of each. What
// is left is sound and has of each file what it was or what it is; in the end it is what the
// origin is, and the counts are exact.
func TestRefreshCrashes(t *testing.T) {
	seed := *crashSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	seeds, cuts := *crashSeeds, 0
	if raceEnabled { // they take minutes with it, and make test has all of them without
		seeds = max(1, seeds/10)
	}
	for k := range uint64(seeds) {
		cuts += refreshCrashOne(t, seed+k)
		if t.Failed() {
			t.Fatalf("go test ./mirror -run TestRefreshCrashes -crash.seed %d -crash.seeds 1", seed+k)
		}
	}
	t.Logf("seeds from %d: %d cuts in the middle", seed, cuts)
	if cuts < seeds/2 {
		t.Errorf("this tests nothing: %d cuts in the middle", cuts)
	}
}

func refreshCrashOne(t *testing.T, seed uint64) (midway int) {
	rng := rand.New(rand.NewPCG(seed, 5))
	c := newChanging(50 + rng.IntN(400))
	if rng.IntN(2) == 0 {
		c.order = c.names()
		rng.Shuffle(len(c.order), func(i, j int) { c.order[i], c.order[j] = c.order[j], c.order[i] })
	}
	server, err := origintest.Open(serve.Options{PageSize: pick(rng, 1, 7, 50, 1000)}, c)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	f := &refreshCrash{t: t, rng: rng, c: c, server: server, keepOld: rng.IntN(2) == 0}
	disk := f.life(vfs.NewCrashableMem(), 0, nil)
	f.before = maps.Clone(c.files)
	want := f.change()
	for range livesOfASeed - 1 {
		var err error
		disk = f.life(disk, 1+rng.IntN(3*len(c.files)), func(_ cache.Refreshed, e error) { err = e })
		if err != nil {
			midway++
		}
	}
	if midway < livesOfASeed-1 {
		return midway // one came to its end, and those after it found nothing
	}
	f.life(disk, 0, func(got cache.Refreshed, err error) {
		got.Reviewed = 0 // some again, after a crash
		if err != nil || got != want {
			t.Errorf("%+v was found, and there is %+v; %v", got, want, err)
		}
	})
	return midway
}

type refreshCrash struct {
	t       *testing.T
	rng     *rand.Rand
	c       *changing
	server  *origintest.Server
	before  map[string]string // what the origin had at first
	keepOld bool
}

// change has the origin be another, and returns what is to be found.
func (f *refreshCrash) change() (want cache.Refreshed) {
	names := f.c.names()
	f.c.change(func(files map[string]string) {
		var order []string
		for _, name := range names {
			switch f.rng.IntN(8) {
			case 0:
				delete(files, name)
				want.Removed++
				continue
			case 1:
				files[name] = strings.Repeat("second "+name, 1+30*f.rng.IntN(2))
				want.Changed++
			case 2:
				files[name+" new"] = strings.Repeat("new", 1+100*f.rng.IntN(2))
				order = append(order, name+" new")
				want.New++
			case 3:
				delete(files, name)
				name += "/inside"
				files[name] = "a directory now"
				want.Removed++
				want.New++
			}
			order = append(order, name)
		}
		if f.c.order != nil {
			f.c.order = order
		}
		want.Listed = uint64(len(files))
	})
	return want
}

// life opens the store on a disk, checks it, and mirrors or, where ended is not nil, refreshes
// until the power is cut, after so many moves, or to the end. It returns what is left.
func (f *refreshCrash) life(disk *vfs.MemFS, moves int, ended func(cache.Refreshed, error)) *vfs.MemFS {
	must := func(err error) {
		f.t.Helper()
		if err != nil {
			f.t.Fatal(err)
		}
	}
	power := newPower(disk, f.rng)
	store, err := cache.Open(cache.Options{Dir: "/store", Origin: f.server.URL(), FS: power.fs(), FlushEvery: 5 * time.Millisecond, Reserve: -1, InlineLimit: 100, KeepOld: f.keepOld})
	must(err)
	f.check(store, f.before)
	client, err := origin.New(origin.Options{BaseURL: f.server.URL(), Options: wire.Options{InlineLimit: 100, Pipeline: pick(f.rng, 0, 1000)}})
	must(err)
	engine, err := mirror.Open(mirror.Options{Store: store, Lister: client, Fetcher: client, Prefetch: true, Connections: pick(f.rng, 1, 3), Backoff: time.Millisecond, Outage: time.Minute, Grace: -1})
	must(err)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	move := func() origintest.Fault { power.move(); return origintest.Fault{} }
	f.server.SetFaults(origintest.Faults{OnList: func(string, int) origintest.Fault { return move() }, OnGet: func([]byte, int) origintest.Fault { return move() }})
	power.cutAfter(moves, cancel)
	if ended == nil {
		must(engine.Run(ctx))
	} else {
		// Three of eight names go, at random.
		found, err := engine.Refresh(ctx, mirror.RefreshOptions{Contents: true, MaxDelete: mirror.GoneLimit{Percent: 60}})
		if err != nil && (moves == 0 || ctx.Err() == nil) {
			f.t.Errorf("the refresh ends with %v", err)
		}
		ended(found, err)
	}
	must(engine.Close())
	f.server.SetFaults(origintest.Faults{})
	if moves == 0 {
		f.check(store, f.c.files)
		if p := store.Progress(); !p.Complete() || int(p.Fetched) != len(f.c.files) {
			f.t.Errorf("%d files, and %+v", len(f.c.files), p)
		}
	}
	must(client.Close())
	left := power.left()
	must(store.Close())
	if moves == 0 {
		return disk // closed, and so all of it on the disk
	}
	return left
}

// check verifies a store, and that each of its files is what the origin is or was.
func (f *refreshCrash) check(store *cache.Store, was map[string]string) {
	f.t.Helper()
	report, err := store.Verify(context.Background(), func(p string) { f.t.Error("verify: " + p) })
	if err != nil || report.Problems > 0 {
		f.t.Fatal(report, err)
	}
	r := &rig{t: f.t, store: store}
	r.each(cache.RootInode, func(ino cache.Inode, e cache.Entry) {
		name, err := store.NameOf(ino)
		r.must(err)
		if e.State == cache.Pending {
			return
		}
		b := make([]byte, e.Size)
		_, err = store.ReadAt(ino, b, 0)
		r.must(err)
		if got := string(b); got != f.c.files[name] && got != was[name] || got == "" {
			f.t.Errorf("%q is %.40q, was %.40q and is to be %.40q", name, got, was[name], f.c.files[name])
		}
	})
}
