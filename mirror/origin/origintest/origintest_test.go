package origintest

import (
	"math/rand/v2"
	"testing"

	"github.com/motefs/motefs/fs/fusetest/eventually"
)

func TestMain(m *testing.M) { eventually.AllEnded(m) }

// newRand returns a source of randomness whose seed the test's log has.
func newRand(tb testing.TB) *rand.Rand {
	seed := rand.Uint64()
	tb.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
