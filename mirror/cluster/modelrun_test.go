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
// origin, each number once, and nothing is there that nobody refers to.
func TestClusterModel(t *testing.T) {
	seeds, first := setting(t, "CLUSTER_SEEDS", 20), setting(t, "CLUSTER_SEED", rand.Uint64N(1<<32))
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
	}
	t.Logf("from seed %d on, %d seeds: %+v", first, seeds, all)
	if !t.Failed() && seeds >= 20 && (all.Kills == 0 || all.Frozen == 0 || all.Outages == 0 || all.Wipes == 0 || all.LateHolders == 0 || all.Terms <= int(seeds) || all.Listers <= int(seeds)) {
		t.Errorf("the world was too tidy")
	}
}
