//go:build race

package cluster

import (
	"runtime"
	"testing"
)

// TestMain has one thread at a time. The timers of a synctest bubble have one state of the race
// detector (timers.raceCtx, Go 1.26.8), whichever thread runs them: where two do, it ends the
// process by SIGSEGV in runtime.raceacquirectx, which TestEnd was seen to.
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	m.Run()
}
