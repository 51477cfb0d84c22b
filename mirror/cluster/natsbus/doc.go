// Package natsbus is the bus of a cluster over NATS with JetStream.
//
// # Words
//
// An item is a message that names a segment. The mark is a message that no worker gets: where
// it is missing or another one, the stream was purged, wiped or made again. A claim is a key of
// which the first value counts.
//
// # What is in NATS
//
// ID is that of the mirror, so that mirrors share servers.
//
//	stream   motefs_ID            a work queue: an item goes when it is acknowledged
//	         motefs.ID.item.SEQ   an item; at most one at a time of each subject
//	         motefs.ID.mark       the mark
//	consumer workers              pulled by all; explicit acknowledgement within ItemTimeout
//	bucket   motefs_lease_ID      key "lister": who may list, in a record of JSON
//	bucket   motefs_claims_ID     only where the object store cannot create-if-absent; see Claims
//	stream   motefs-complete      of all mirrors: motefs.ID.complete, a note of each that is complete
//	subject  motefs.ID.report.PROCESS   reports, not kept by NATS
//
// An item is published on the condition that its subject has no message, so that offering it
// again is free while it is queued or worked at, and works at once where it is not: neither a
// purge nor a window of time stands in the way, as with message ids. One whose worker has gone is
// published without that condition (OfferAgain), and takes the place of the old one. Streams and buckets have three
// replicas where the servers are a cluster that has them, else one.
//
// # Rules
//
//   - Nothing here is the truth but claims. All else is made again when it is missing, and Lost then
//     says that items may be.
//   - A stream or bucket that is made again begins at a random sequence number, so that an
//     acknowledgement of an item of the old one, or a refresh of a lease, means nothing to it.
//   - An epoch is one more than the one before in the lease's record. A wiped bucket begins
//     again at 1: a lister begins above the epoch of the chain's end in any case.
//   - Who ends as the mirror is complete leaves a note for a week, and removes its stream and lease, in this
//     order. Who makes them looks for the note before and after, and removes them again where it is there:
//     so nothing stays. What a process leaves that is killed between the two, a watcher removes, or who comes
//     next. Whoever finds the note looks into the object store, which may say otherwise (GoOn).
//   - The claims stay: who is late must not win.
//   - Of clocks only time passed on this machine counts. One that was asleep finds that
//     its lease is another's by the condition on its next refresh.
package natsbus
