// Package unlisted has files come from the origin that no segment of a growing mirror has: what
// motefs mount --segments --origin serves beside the mirror.
//
// # Words
//
// The mirror is a replica. An unlisted file is one that no segment has yet. The side store is a
// small store of its own on the local disk, with unlisted files alone, and the side engine what
// fetches them into it: as a mount of the origin does, with its retries, and its words where the
// origin is away.
//
// # Numbers
//
// Numbers of the side store are shown with the bit sideBit, which no segment's number has. So an
// unlisted file keeps its number, and who has it open reads the version that was fetched, also
// once a segment has its name: from then on the name has the segment's number. No number is ever
// two files.
//
// # What is shown
//
// A lookup of a name, and what is read by the number that it gave. Directories show what segments
// have, and so show no name twice and skip none, whenever a segment comes. A name that the
// mirror has, or that the origin does not have, is never looked for in the side store alone: first
// the replica says that no segment has it, and where it cannot say so the error is its own.
//
// Once the mirror is complete it alone says which names there are.
//
// # What goes
//
// Files take Options.Bytes at most. Over it those asked for first are removed, with their names and numbers: who
// has one open gets cache.ErrNotFound, and never another version under the same number, as
// it may have no validator by which to tell. What was asked for or read a moment ago stays (restTicks). Files
// of earlier processes that this one has not shown nobody has open: they go once the mirror has their names. All goes with
// the folder when the mirror is opened complete.
package unlisted
