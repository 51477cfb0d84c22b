// Package replica reads a mirror that stands in an object store: it is what
// motefs mount --segments serves. It is a store on the local disk, into which tables of the mirror
// are brought as they are asked for, and which follows the mirror while that grows.
//
// # Words
//
// Names, contents, segments and manifests are those of package segments. A segment's names
// are here once its table of names is in the local store, its contents once its tables of
// contents are. To bring is to download and ingest; to take back is to make a segment's
// contents be not here again, so that the local store stays within its bound.
//
// # What is brought, and when
//
//   - Names that are looked up, and the names of a directory that is read: by the bounds that a
//     manifest says of each segment (cache.NameCounts), which for a sorted listing are those of
//     one segment. All others come in the background, in their order, so that soon every
//     name is found without the object store; readers' go first. With a segment's names comes what
//     became of its files: which are gone, failed, or turned out to be another. So a name that
//     is shown stays, and a file that failed is an error (ErrNotFetched) without a download.
//   - Contents: a file's number says its segment, and the last keys of that one's tables say which
//     of them has it. That is brought as a whole; of a segment of short files it is the
//     only one. However many readers wait for it, it is downloaded once.
//   - Blobs: each when it is first read, as a whole.
//
// A directory is handed out in the order of its numbers, and never beyond the first segment that may
// have names of it and is not here: Ready brings that one.
//
// What is brought lasts: a restart downloads nothing again. With the object store away what is
// here is served. What is not is an error once nothing has come for Options.Patience, and never "no
// such file". So it is while the local disk is full: what is here is served, and the rest comes once
// there is room.
//
// Which segments there are is remembered in INDEX, a line for each poll that brought some, before
// readers are told of them. Where it is damaged, or the local store has segments that it lacks, the
// replica is opened once the object store has said what there is: a name that was shown is
// never "no such file". A local store with segments that the mirror lacks is an error.
//
// # Why a number can be trusted
//
// Readers are told of a segment only by a manifest, and a manifest has only segments whose
// names and contents are committed; both are written once. So no number is ever seen whose
// segment may still become another one, and a segment that was brought is never brought again as
// something else.
//
// # Bounds
//
// Nothing is kept for a file. A segment costs about a kilobyte of memory. At most
// downloads tables and as many blobs come at a time, and of the tables at most backgroundDownloads
// that nobody waits for; inFlight bounds the bytes of tables, which are on the disk. See Options.CacheSize for the bound of
// the local store. What is taken back keeps its length and time, so that who has it open goes
// on: it is brought again. What came a moment ago is not taken back (restTicks), so that who
// waited for it reads it.
//
// # What is not believed
//
// An object store may be written by others. Sums, sizes, counts and numbers are checked before
// anything is served: a manifest that contradicts itself, or what is known, is an error in the log and
// changes nothing; a table that is not what its manifest says is an error to who waits for
// it. What a manifest cannot prove is that a file's content is the origin's: who may write
// the mirror is trusted with that.
//
// # Another mirror
//
// A replica is of one mirror. Where the objects below its prefix are those of another one by
// now, it serves what it has, says so in the log, and brings nothing more (ErrOtherMirror). The
// next Open of its folder fails with that error too; to begin with the new mirror, remove the folder.
package replica
