package main

import (
	"os"
	"runtime"
)

// How many goroutines may run Go code at a time, for each core. A thread that
// waits in the kernel for the next request keeps its place for 20 µs and more
// before the runtime takes it away; with one for each core, the handlers wait
// behind such threads. A mirror has no such waits, and gets slower with more of
// them (PERFORMANCE.md, "Mount").
const (
	servingProcs   = 3
	mirroringProcs = 2
)

// procs sets GOMAXPROCS, unless the user has.
type procs struct{ cores int }

func newProcs() procs {
	if os.Getenv("GOMAXPROCS") != "" {
		return procs{}
	}
	return procs{cores: runtime.GOMAXPROCS(0)}
}

func (p procs) set(perCore int) {
	if p.cores > 0 {
		runtime.GOMAXPROCS(perCore * p.cores)
	}
}
