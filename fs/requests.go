//go:build linux

package fs

import (
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
