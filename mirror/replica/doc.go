// Package replica reads a mirror that stands in an object store: it is what
// motefs mount --segments serves. It is a store on the local disk, into which tables of the mirror
// are brought as they are asked for, and which follows the mirror while that grows.
//
// # Words
//
// Names, contents, segments and manifests are those of package segments. A segment's directories
// are here once its table of directories is in the local store, its names once that of its files
// and what became of them are too, its contents once its tables of contents are. To bring is to download and ingest; to take back is to make a segment's
// contents be not here again, so that the local store stays within its bound.
//
// # What is brought, and when
//
//   - Directories first: those of all segments that may have one that is looked up, or any in a
//     directory that is read, by the bounds that a manifest says of each segment
//     (cache.NameCounts). They may be in all segments, but their tables are short: dirDownloads of
//     them come at a time, and all that have come meanwhile are ingested together.
//   - Names then, where none of these is it: of segments that may have files there, which for a sorted
//     listing are one or two. So neither a directory of directories that is read nor a path that is
//     walked brings files that are elsewhere. With a segment's files comes what
//     became of them: which are gone, failed, or turned out to be another. So a name that
//     is shown stays, and a file that failed is an error (ErrNotFetched) without a download.
//   - All others in the background, in the order of the segments, all directories before the first
//     files, so that soon every name is found without the object store; readers' go first.
//   - Contents: a file's number says its segment, and the last keys of that one's tables say which
//     of them has it. That is brought as a whole; of a segment of short files it is the
//     only one. However many readers wait for it, it is downloaded once.
//   - Blobs: each when it is first read, as a whole.
//
// # In which order a directory is read
//
// In that of its numbers, by which READDIR's cookies go on. Each segment has numbers for its new
// directories and for its files: directories first, or, where the listing is in no order, page by page.
// So the two alternate over the segments, and of one directory the directories of all segments may be
// here, and the files of some. A reader that was given a number never asks for a lower one again. So
// nothing is given out from the limit on: the first number of the first segment, of those with numbers
// behind where the reader stands, that may have directories there which are not here, or files there
// which are not here. From that follows, whatever comes between two reads:
//
//   - Nothing is left out. What may be lacking stands at the limit or behind it, and the reader stands
//     before it. Names are never taken back, and the bounds of a segment never change, so the limit does
//     not fall, but for a segment that is sealed in between.
//   - A segment may be sealed whose numbers are lower than where a reader stands. It does not see these:
//     they were not there when it began. Those above it sees, as the limit is taken anew for each read.
//   - Nothing comes twice, and no two have the same number, as numbers ascend, and no name is in two segments:
//     a table that has one of another segment is not taken (cache.ErrTable).
//   - A read that is given nothing has come to the end: where all that is here stands behind the limit, it
//     waits for what is lacking, and its error is one.
//
// Ready brings what is lacking first. A segment whose table is damaged keeps a directory from being read
// beyond it, if it may have names there; before it, and in others, all goes on.
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
// Nothing is kept for a file. A segment costs a kilobyte or two of memory. At most
// downloads tables and as many blobs come at a time, and of the tables at most backgroundDownloads of files and as
// many of contents that nobody waits for, and beside them dirDownloads tables of directories, backgroundDirs that nobody
// waits for. Of these arrivedBytes wait in memory to be checked and ingested together, and those that are longer
// take a buffer of at most 256 KiB each. inFlight bounds
// the bytes of tables, which are on the disk. See Options.CacheSize for the bound of the local store. What
// is taken back keeps its length and time, so that who has it open goes on: it is brought again. What came
// a moment ago is not taken back (restTicks), so that who waited for it reads it.
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
