package fs

import "sync/atomic"

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
	lookups, getattrs, reads, dirReads atomic.Int64
	xattrs, readBytes, misses          atomic.Int64
	errors, timeouts, interrupts       atomic.Int64
	panics, badNames, notesDropped     atomic.Int64
}

func (c *counters) snapshot() Stats {
	return Stats{
		Lookups:      c.lookups.Load(),
		GetAttrs:     c.getattrs.Load(),
		Reads:        c.reads.Load(),
		DirReads:     c.dirReads.Load(),
		XAttrs:       c.xattrs.Load(),
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
