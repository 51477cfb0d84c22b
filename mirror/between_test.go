package mirror_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin"
	"github.com/motefs/motefs/mirror/origin/origintest/between"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/motefs/motefs/mirror/wire"
)

// TestMirrorThroughABadNetwork has a network between that repeats responses,
// leaves them out, holds them back and cuts connections, of pages and of files.
// The mirror comes to its end all the same, with every file as it is.
func TestMirrorThroughABadNetwork(t *testing.T) {
	for what, o := range map[string]between.Options{
		"repeats":   {DuplicateEvery: 150, MaxDelay: time.Millisecond, MaxFragment: 5000, LateEvery: 300, MaxLate: 5 * time.Millisecond},
		"leaves":    {DropEvery: 400, MaxFragment: 5000},
		"cuts":      {TruncateBytes: 40_000, MaxFragment: 5000},
		"all":       {DuplicateEvery: 300, DropEvery: 600, TruncateBytes: 100_000, MaxFragment: 20_000, MaxDelay: 200 * time.Microsecond},
		"fragments": {MaxFragment: 40},
	} {
		for _, pipeline := range []int{0, 1} {
			t.Run(what, func(t *testing.T) {
				src := serve.NewSynthetic(serve.SyntheticOptions{Files: 2000, VarySize: true, Validators: true, LargeEvery: 211, LargeSize: 70_000})
				r := newRig(t, serve.Options{PageSize: 90}, src)
				o.Seed = rand.Uint64()
				network := between.New(t, o)
				timeouts := wire.DefaultTimeouts
				timeouts.Idle, timeouts.Probe, timeouts.Round = 100*time.Millisecond, 300*time.Millisecond, 200*time.Millisecond
				client, err := origin.New(origin.Options{BaseURL: r.server.URL(), Options: wire.Options{Pipeline: pipeline, Timeouts: timeouts, Dial: network.Dial}})
				r.must(err)
				defer client.Close()
				change := func(e *mirror.Options) { e.Lister, e.Fetcher = client, client }
				for range 10 { // what was unlucky five times is a later run's
					r.must(r.run(change))
					if r.store.Progress().Failed == 0 {
						break
					}
				}
				r.complete(2000)
				r.same(src)
				if p := r.store.Progress(); p.Gone != 0 {
					t.Errorf("progress %+v", p)
				}
				r.must(r.store.Failures(0, func(_ cache.Inode, f cache.Failure) bool {
					t.Errorf("%+v", f)
					return true
				}))
			})
		}
	}
}
