package fs

import "github.com/motefs/motefs/histogram"

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

// Requests is what a mount has counted of one operation.
type Requests struct {
	// Op is its name: lookup, getattr, read, readdir, opendir, getxattr, statfs, or
	// invalidate, which the kernel is told and does not ask for.
	Op string
	// Asked is false for invalidate.
	Asked bool
	// Count is how many there were. Most of what programs do the kernel answers from its
	// own caches; that is not in here.
	Count int64
	// Took is how long one in 64 of them took, the first included.
	Took histogram.Snapshot
	// Errors are how many ended in which error. A name that does not exist is none.
	Errors []ErrorCount
}

// ErrorCount is how many requests ended in an error.
type ErrorCount struct {
	Errno string // such as EIO
	Count int64
}
