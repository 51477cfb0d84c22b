//go:build linux

package fs

import (
	"sync/atomic"

	"github.com/motefs/motefs/histogram"
)

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
