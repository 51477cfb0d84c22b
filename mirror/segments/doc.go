// Package segments is the layout of a mirror in an object store: what its objects are called
// and what is in them. It does no work of its own; mirror/cluster writes such a mirror, and
// mirror/replica reads one.
//
// # Words
//
// A segment is a row of the listing, some ten thousand names with consecutive numbers. Its
// sequence number says where: 0 is the first. Its name segment has the names, those of directories
// apart, so that a reader has all directories of a mirror by a short read of each; its contents
// are tables, with blobs beside them; its commit says which attempt's contents count. A
// manifest says which segments are sealed, that is, committed and told to readers.
//
// # Layout
//
//	mirror                             what is mirrored: Mirror
//	names/SEQ                          a name segment: Names as a line of JSON, the table of its new
//	                                   directories, that of its files, its context
//	commits/SEQ                        a Commit
//	contents/SEQ-ATTEMPT/0             the table of the outcome: files that are gone, or failed
//	contents/SEQ-ATTEMPT/PART          a table of contents, from 1 on
//	blobs/SEQ-ATTEMPT/INODE            a content over the inline limit
//	manifests/N                        a Manifest, of what is new since N-1
//	manifests/N.full                   all that the manifests up to N say, beside some of them
//
// Tables are Pebble's, written by package cache. Their sums, in heads, commits and manifests, are
// XXH64 of the whole table. Part 0 is there also where no file is gone or failed; Commit.Tables has it first.
//
// SEQ, PART and N are decimal with leading zeros, so that they sort; INODE is hexadecimal;
// an ATTEMPT is 16 random hexadecimal digits.
//
// # Rules
//
//   - Every object is written once. Two who write mirror, names/SEQ, commits/SEQ or manifests/N
//     choose the same name, and the first wins. Each has a random word in it, by which a writer
//     whose answer was lost finds out that it has won. All others bear an attempt in their
//     name, so that nobody else writes them; but for manifests/N.full, which has the same in it
//     whoever writes it.
//   - A name segment says which attempt wrote the one before it (Prev). Who writes SEQ has read
//     or written SEQ-1, so they are one chain, whoever wrote them and however late.
//   - What is left to do is each name segment without a commit.
//   - A segment is complete with its commit, the mirror once a name segment with Complete and
//     all before it are committed.
//   - Numbers are given out in the order of SEQ, and never twice.
//   - Who writes manifests/N has read all before it, so no segment is sealed twice.
//   - What no commit names belongs to nobody once its segment is committed: its attempt
//     cannot win any more. Before that it may be an attempt that goes on.
package segments
