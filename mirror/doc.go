// Package mirror lists a remote service of very many small files and fetches
// them into a local store.
//
// # Words
//
// The origin is the remote service. Its listing is a sequence of pages, each
// with the marker of the next. A batch is what one connection fetches at a
// time: what it gets in a second or a few, at most about a thousand names, cut from a long
// page or joined from short ones; see share.
// The checkpoint is the marker up to which everything is in the store. A demand
// is a file that a reader waits for.
//
// # Who does what
//
//	walk     asks for one page after another, as fast as their markers come
//	plan     decodes pages piece by piece, cuts batches, queues them in the order
//	         of the listing
//	work     Options.Connections times: fetches a batch, commits it
//	tracker  moves the checkpoint over committed batches without a gap
//	Fetch    a demand, on connections of its own, one fetch however many readers
//	ahead    what a reader that goes through the listing in order will ask for
//
// # Bounds
//
// Memory does not grow with the listing: pages that wait to be decoded hold at
// most pageBudget bytes, the names of batches that are queued or being fetched at
// most nameBudget, the queue at most Options.Connections batches, and each batch
// is committed in part when its contents reach the store's limit. A page is decoded
// in pieces of at most batchSize names. Batches that are done behind one that is not
// are joined into one step of the tracker.
// There is no goroutine, no log line and no lasting allocation for a single
// file.
//
// # What a crash leaves
//
// A batch's files and names are one commit of the store, and the checkpoint is
// moved by a commit after it; see package cache. A Run after a crash lists from
// the checkpoint on and fetches what is not there. Where the origin does not take
// that marker any more, it lists from the beginning, once; names that are there are
// found and not fetched again.
//
// # Errors
//
// A fetch of a batch is one attempt. A file that does not come is recorded as
// failed, with a verdict, and asked for again in passes at the end of the Run (see
// passes.go), unless the origin as a whole turns out to be out of service (see
// health.go): then nothing is recorded, and all wait until it is well, for at most
// Options.Outage. A page of the listing, and a reader's file, are tried again in
// retry.go.
//
// A panic in a goroutine of the engine is a PanicError of the Run, or of the readers
// of that file, and its stack is logged (see panic.go). The process, which may serve a
// mount, goes on.
package mirror
