// Package cache is the local store: the names of an origin's listing and the
// contents of its files, on Pebble and in blob files. It imports nothing of ours.
//
// # Words
//
// An entry is one name of a directory, with its inode number and, once it was
// fetched, its content. A run is a row of consecutive inode numbers of one
// directory with their names. A page is the unit of work: up to MaxPage files
// that are committed together. The progress is what the store says of its own
// completeness.
//
// # Layout
//
// A store is a directory:
//
//	LOCK       held by the process that has the store open; OWNER says which
//	FORMAT     says that it is a store; see format.go
//	db/        Pebble, without a write-ahead log
//	status.sock  of who holds the store, where it says what it does
//	blobs/     contents over Options.InlineLimit, one file each; see blob.go
//	repair/    during a repair alone; see repair.go
//	ingest/    tables that are being brought in; see ingestion.go
//
// and these keys, with numbers in big endian:
//
//	d parent-inode name          an entry; its value is in entry.go. One key a
//	                             file: two cost twice as much
//	p parent-inode first-inode   a run; its value is in run.go. Turns a number
//	                             into a name, and is what a directory is read from
//	i first-inode                the directory of the run that begins there, and
//	                             whether its names are the listing's; see index.go
//	f inode                      why a file could not be fetched; see failed.go
//	m i, m p, m n                the identity that FORMAT has too, progress, and the
//	                             watermark of numbers; see numbers.go
//	m r, s chunk                 how far a refresh has come, and what it has dealt
//	                             with; see refresh.go, seen.go
//	n first-inode                what is here of the segment whose numbers begin there: its
//	                             directories, then its files, what became of them, contents;
//	                             see ingest.go
//	t hash of a marker           which numbers a page with an ETag has; see pagetag.go
//	o inode                      what a number had whose file was replaced or removed;
//	                             see aside.go
//
// Numbers are given out in listing order, each once; the names of a page that come in
// no order are sorted by directory and name first (sort.go). The root is 1. A directory
// is an entry like any other, with a run of its own kind.
//
// # What a crash leaves
//
// Without a log, Pebble keeps a prefix of the commits: memtables reach the disk
// in the order in which they were filled. Every commit carries the progress that
// is true with it, so that counts and checkpoint always describe exactly what
// survived; and the checkpoint moves (Advance) only in a commit after all pages
// below it. A directory is committed before anything in it, a blob file is
// renamed into place before the entry that names it. What a crash can leave
// behind is a blob file without an entry (see Reclaim), and a gap of up to reserveAhead inode
// numbers: readers may have seen some of them, so none is given out again.
//
// Pages that were committed beyond the checkpoint are listed again after a crash,
// and all pages where the origin does not take the checkpoint's marker any more
// (Rewind). Their names are then found here; see compare.go.
//
// # What becomes of a name
//
// is decided by the table in decide.go, whatever comes: a listing, a reader, an answer
// of the origin. A file that changes gets a new number, and the old one is set aside.
//
// # Invariants
//
//   - An entry's number never changes, and no other entry ever gets it.
//   - The length and the time that a listing said of a number are those of the content that
//     it gets, or it gets none; see promise.go.
//   - A name stands in at most one run, and in none while its file is gone.
//   - While Progress.Unchecked is over 0, a name that was listed twice may have two
//     numbers, of which that of its entry counts and the other resolves too, and counts
//     are bounds. Once the listing is complete Tally ends that: the other number is
//     taken out of its run.
//   - Progress.ListingComplete is set only by a commit after the last page.
//
// Verify checks all of this, and Repair brings it about again after damage.
package cache
