// Package fs mounts a store as a read-only filesystem, by FUSE.
//
// # Words
//
// The kernel's dentry is its cached answer to "which inode is this name of
// this directory"; a negative dentry is a cached "none". A miss is a name that
// the store cannot answer, so that somebody has to ask the origin. A listing is
// complete once every name of the origin is in the store; the names are final once
// no name can come or go any more. A lease is how long the kernel may believe what
// may still change: Options.Lease.
//
// # What it knows
//
// A mount reads from two interfaces: Store, which answers from the disk and
// never waits for the network, and Contents, which brings one file from the
// origin. LOOKUP has a file fetched of which the store has only the name, and READ one
// of which it has what the listing says: length and time, which LOOKUP answers with. A READ
// also asks Contents for the bytes of a file that is long and still arriving (see Arrivals). Where names come as they are read,
// READDIR waits for those that come next (Options.Ready). An error of either becomes an errno
// in one table (errnoOf), is logged with its cause at a bounded rate, and is
// counted.
//
// # No state per file
//
// The NodeID that the kernel keeps for a file is the file's inode number in the
// store, which is never used twice. So there is no table of inodes, FORGET has
// nothing to forget, the generation is a constant, and a directory cookie is an
// inode number: it survives reopening, seeking and a restart of the program. A
// mount of a billion files costs what the kernel caches, and nothing here.
//
// # What is cached by the kernel, and why it may be
//
//	a file whose content is here                entryTimeout: it does not change
//	a directory, names final                    entryTimeout
//	a directory, a file that is arriving        the lease
//	a file that is only listed                  listedTimeout, or until the next change
//	a name that is not there, listing complete  the lease
//	a name that is not there, listing growing   not at all
//	a file's pages                              until memory is short (ENOSYS to OPEN)
//	a directory's entries, listing complete     until the directory's time is another one,
//	                                            or memory is short (ENOSYS to OPENDIR)
//	a directory's entries, listing growing      not at all
//
// The leases alone make every change known in time, whatever answers are under way
// when it happens (see fill). Mount.Invalidate makes it known at once, mostly.
//
// # Extended attributes
//
// A few, user.motefs.*, for who asks for them by name; see xattr.go. They are
// not listed, and other namespaces are not supported: both are choices of cost,
// counted there and at ListXAttr.
//
// # ENOSYS
//
// Linux remembers ENOSYS to an operation for the life of the mount and does not
// ask again. That is worth much where it is meant (OPEN, FLUSH: 3.8 instead of
// 16 µs for an open, read and close) and is the end of the mount where it is
// not. So it is answered in enosys.go and OpenDir, and cannot come out of
// errnoOf.
//
// # Deadlocks
//
// Two rules. The process that serves a mount does not open files of it
// (golang/go#21014); Open does not either. And a handler never writes a
// notification, because the kernel may hold, for the handler's request, the lock
// that the notification needs; Invalidate queues for one goroutine, and what that
// one writes needs no lock that a LOOKUP holds (see deliver).
package fs
