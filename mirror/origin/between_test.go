package origin_test

import (
	"context"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin"
	"github.com/motefs/motefs/mirror/origin/origintest/between"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/motefs/motefs/mirror/wire"
)

var (
	betweenSeed  = flag.Uint64("between.seed", 0, "the first seed of TestNetworkBetween; 0: a random one")
	betweenSeeds = flag.Int("between.seeds", 500, "how many seeds TestNetworkBetween tries")
)

// TestNetworkBetween puts a network between client and origin that repeats
// responses, drops them, holds them back, cuts connections at any byte, and
// splits and delays all of it. Whatever it does, a body stands under its own name
// or not at all, only a file that is as it was is called that, every name is
// decided once, and the call ends.
func TestNetworkBetween(t *testing.T) {
	seed := *betweenSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	files := serve.SyntheticOptions{Files: 600, VarySize: true, Validators: true, LargeEvery: 97, LargeSize: 9_000}
	was := serve.NewSynthetic(files)
	files.Edition.Changed = .3
	src := serve.NewSynthetic(files)
	server, err := serve.Open(serve.Options{}, src)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	var mu sync.Mutex
	var all between.Counts
	came, same, wrong := 0, 0, 0
	var next atomic.Uint64
	var wg sync.WaitGroup
	for range 32 { // they mostly wait
		wg.Go(func() {
			for k := next.Add(1) - 1; k < uint64(*betweenSeeds) && !t.Failed(); k = next.Add(1) - 1 {
				n, unchanged, bad, counts := onceBetween(t, seed+k, was, src, server.URL())
				mu.Lock()
				came, same, wrong = came+n, same+unchanged, wrong+bad
				all.Duplicates += counts.Duplicates
				all.Drops += counts.Drops
				all.Truncations += counts.Truncations
				all.Late += counts.Late
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Logf("seeds from %d: %d bodies came, %d files were as before, %d of all that wrong; %+v", seed, came, same, wrong, all)
	if all.Duplicates == 0 || all.Drops == 0 || all.Truncations == 0 || all.Late == 0 || came+same < *betweenSeeds*100 || same < *betweenSeeds*20 {
		t.Errorf("this tests nothing")
	}
}

func onceBetween(t *testing.T, seed uint64, was, src *serve.Synthetic, url string) (came, same, wrong int, _ between.Counts) {
	rng := rand.New(rand.NewPCG(seed, 1))
	pick := func(of ...int) int { return of[rng.IntN(len(of))] }
	o := between.Options{Seed: seed, MaxFragment: pick(30, 500, 5000, 60_000), MaxDelay: time.Duration(pick(0, 0, 300)) * time.Microsecond,
		MaxLate: 8 * time.Millisecond, LateEvery: pick(0, 60)}
	switch rng.IntN(4) {
	case 0:
		o.DuplicateEvery = pick(20, 150, 500)
	case 1:
		o.DropEvery = pick(50, 200)
	case 2:
		o.TruncateBytes = pick(5_000, 60_000)
	case 3:
		o.DuplicateEvery, o.DropEvery, o.TruncateBytes = 200, 200, 100_000
	}
	network, err := between.New(t, o), error(nil)
	timeouts := wire.DefaultTimeouts
	timeouts.Idle, timeouts.Probe, timeouts.Round = 60*time.Millisecond, 200*time.Millisecond, 100*time.Millisecond
	c, err := origin.New(origin.Options{BaseURL: url, Options: wire.Options{InlineLimit: 4_000, Pipeline: pick(0, 0, 1, 8, 1000), Timeouts: timeouts, Dial: network.Dial}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { c.Close(); network.Close() }()
	names := make([]string, 150)
	have := pick(0, 1, 2) // nothing, the ETag, the time
	for range 2 {
		from := rng.Int64N(src.Len() - int64(len(names)))
		for i := range names {
			names[i] = src.Name(from + int64(i))
		}
		times := make([]int, len(names))
		spooled := map[int]string{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		err := c.Fetch(ctx, names, mirror.Receiver{
			Known: func(i int) (etag []byte, modTime int64) {
				var o serve.Object
				if err := was.Get([]byte(names[i]), &o); err != nil {
					t.Error(err)
				}
				switch have {
				case 1:
					return o.ETag, 0
				case 2:
					return nil, o.ModTime.Unix()
				}
				return nil, 0
			},
			Receive: func(i int, obj *mirror.Object, err error) {
				times[i]++
				if errors.Is(err, mirror.ErrNotModified) {
					if same++; src.Changed(from+int64(i)) || have == 0 {
						wrong++
						t.Errorf("seed %d: %s is called unchanged", seed, names[i])
					}
					return
				}
				if err != nil {
					if !mirror.Temporary(err) {
						t.Errorf("%s: %v", names[i], err)
					}
					return
				}
				body, err := string(obj.Body), error(nil)
				switch {
				case obj.Spooled:
					body = spooled[i]
				case obj.Stream != nil:
					var b []byte
					b, err = io.ReadAll(obj.Stream)
					body = string(b)
				}
				if err != nil {
					return
				}
				if came++; body != string(src.Body(from+int64(i))) {
					wrong++
					t.Errorf("seed %d: %s has the content of another: %.60q", seed, names[i], body)
				}
			},
			Spool: func(i int, obj *mirror.Object) error {
				b, err := io.ReadAll(obj.Stream)
				spooled[i] = string(b)
				return err
			},
		})
		cancel()
		if err != nil {
			t.Errorf("seed %d: the call ends with %v", seed, err)
		}
		for i, n := range times {
			if n != 1 {
				t.Errorf("seed %d: %s was decided %d times", seed, names[i], n)
			}
		}
	}
	return came, same, wrong, network.Counts()
}
