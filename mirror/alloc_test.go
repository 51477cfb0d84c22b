//go:build !race

// With the race detector, Pebble now and then puts iterators under its flushes
// that copy every record, so what is counted here is only what is shipped.

package mirror_test

import (
	"runtime"
	"testing"

	"github.com/motefs/motefs/mirror/origin/serve"
)

// maxAllocs is the most heap allocations for one file, on the whole way from the
// listing through the wire into the store, the origin's own included.
const maxAllocs = 1

func TestAllocationsPerFile(t *testing.T) {
	const files = 50_000
	for _, shuffle := range []bool{false, true} {
		r := openRig(t, serve.Options{}, serve.NewSynthetic(serve.SyntheticOptions{Files: files, Shuffle: shuffle}))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r.must(r.run(nil))
		runtime.ReadMemStats(&after)
		perFile := float64(after.Mallocs-before.Mallocs) / files
		t.Logf("shuffled %v: %.2f allocations and %.0f bytes a file", shuffle, perFile, float64(after.TotalAlloc-before.TotalAlloc)/files)
		if perFile > maxAllocs {
			t.Errorf("shuffled %v: %.2f allocations a file", shuffle, perFile)
		}
	}
}
