//go:build !race

// The race detector crashes now and then in testing/synctest with as many goroutines (Go 1.26: SIGSEGV in
// internal/synctest.Run, twice in some ten runs). TestFaults has the same code run by real processes with it.

package cluster

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
)

// setting reads a number from the environment: those of make soak-cluster.
func setting(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestClusterModel has several processes make a mirror while they are killed, sleep and wake, the bus
// forgets and repeats, and the store loses answers and is away. At the end the mirror is the
// origin, each number once, and nothing is there that nobody refers to. Three seeds of four have no holder
// of the lease that is told late, so that there are more of them where all have none.
func TestClusterModel(t *testing.T) {
	seeds, first := setting(t, "CLUSTER_SEEDS", 20), setting(t, "CLUSTER_SEED", rand.Uint64N(1<<32))
	enough := seeds >= 20 // for all to happen
	var all modelDid
	for seed := first; seed < first+seeds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newModel(t, seed)
				m.run()
				m.check()
				all.add(m.did)
				if t.Failed() {
					t.Logf("CLUSTER_SEED=%d CLUSTER_SEEDS=1 go test ./mirror/cluster -run 'TestClusterModel$'", seed)
				}
			})
		})
		if seed == first+seeds-1 && enough && !t.Failed() && all.tidy(seeds) && seeds < 200 {
			seeds++
		}
	}
	t.Logf("from seed %d on, %d seeds: %+v", first, seeds, all)
	if !t.Failed() && enough && all.tidy(seeds) {
		t.Errorf("the world was too tidy")
	}
}

// tidy reports whether there is something that has not happened in all of the seeds together.
func (d *modelDid) tidy(seeds uint64) bool {
	return d.Kills == 0 || d.Frozen == 0 || d.Outages == 0 || d.Wipes == 0 || d.LateHolders == 0 || d.Terms <= int(seeds) || d.Listers <= int(seeds)
}
