package fs

import (
	"sync/atomic"

	"github.com/motefs/motefs/histogram"
)

// Stats counts what a mount has done since it was opened. The kernel answers
// most of what programs ask from its own caches; that is not in here.
type Stats struct {
	// Lookups, GetAttrs, Reads and DirReads are requests of the kernel.
	Lookups, GetAttrs, Reads, DirReads int64
	// XAttrs are requests for extended attributes, of those that are not
	// there too.
	XAttrs int64
	// ReadBytes is what the reads returned.
	ReadBytes int64
	// Misses are lookups that went to Contents.
	Misses int64
	// Errors are requests that ended in an error, other than a name that does
	// not exist. Timeouts and Interrupts are among them.
	Errors, Timeouts, Interrupts int64
	// Panics are requests whose handler panicked.
	Panics int64
	// BadNames are directory entries that were left out of a listing because
	// the kernel would refuse the whole directory for them.
	BadNames int64
	// NotesDropped are invalidations that found the queue full.
	NotesDropped int64
}

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
