package serve

import (
	"math/rand/v2"
	"testing"

	"github.com/motefs/motefs/fs/fusetest/eventually"
)

func TestMain(m *testing.M) { eventually.AllEnded(m) }

// OpenTest opens a server that the test closes.
func OpenTest(tb testing.TB, o Options, src Source) *Server {
	tb.Helper()
	s, err := Open(o, src)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
	return s
}

// newRand returns a source of randomness whose seed the test's log has.
func newRand(tb testing.TB) *rand.Rand {
	seed := rand.Uint64()
	tb.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
