//go:build linux

package fs

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/motefs/motefs/histogram"
)

// operation is something that the kernel asks for, or is told.
type operation uint8

// The operations that do some work. Those that the kernel asks for come first.
const (
	opLookup operation = iota
	opGetAttr
	opRead
	opReadDir // READDIR and READDIRPLUS
	opOpenDir
	opGetXAttr
	opStatFS
	requested  // how many of those there are
	opNotify   = requested
	operations = opNotify + 1
)

var operationNames = [operations]string{"lookup", "getattr", "read", "readdir", "opendir", "getxattr", "statfs", "invalidate"}

func (o operation) String() string { return operationNames[o] }

// timedOf is one in how many requests of each operation is timed: two looks at the clock
// for each would be a part of what a LOOKUP takes.
const timedOf = 64

// begin counts a request, and returns when it began if it is one of those that are timed.
func (f *fsys) begin(o operation) (at time.Time) {
	if f.stats.requests[o].Add(1)%timedOf == 1 {
		at = time.Now()
	}
	return at
}

// end times a request that begin said to time.
func (f *fsys) end(o operation, began time.Time) {
	if !began.IsZero() {
		f.stats.took[o].Observe(time.Since(began))
	}
}

// Requests returns what was counted since the mount was opened, by operation.
func (m *Mount) Requests() []Requests {
	all := make([]Requests, 0, operations)
	for o := range operations {
		r := Requests{Op: o.String(), Asked: o < requested}
		if r.Asked {
			r.Count, r.Took = m.fs.stats.requests[o].Load(), m.fs.stats.took[o].Snapshot()
		}
		for i, errno := range errnoValues {
			r.Errors = append(r.Errors, ErrorCount{unix.ErrnoName(errno), m.fs.stats.failed[o][i].Load()})
		}
		all = append(all, r)
	}
	return all
}

// Misses returns how long requests took that went to Contents.
func (m *Mount) Misses() histogram.Snapshot { return m.fs.stats.waited.Snapshot() }

// counters are the Stats as they grow.
type counters struct {
	requests                       [requested]atomic.Int64
	readBytes, misses              atomic.Int64
	errors, timeouts, interrupts   atomic.Int64
	panics, badNames, notesDropped atomic.Int64
	// failed are the errors, by the operation and the place of the errno in errnoValues.
	failed [operations][len(errnoValues)]atomic.Int64
	took   [requested]histogram.Histogram
	waited histogram.Histogram
}

func (c *counters) snapshot() Stats {
	return Stats{
		Lookups:      c.requests[opLookup].Load(),
		GetAttrs:     c.requests[opGetAttr].Load(),
		Reads:        c.requests[opRead].Load(),
		DirReads:     c.requests[opReadDir].Load(),
		XAttrs:       c.requests[opGetXAttr].Load(),
		ReadBytes:    c.readBytes.Load(),
		Misses:       c.misses.Load(),
		Errors:       c.errors.Load(),
		Timeouts:     c.timeouts.Load(),
		Interrupts:   c.interrupts.Load(),
		Panics:       c.panics.Load(),
		BadNames:     c.badNames.Load(),
		NotesDropped: c.notesDropped.Load(),
	}
}
