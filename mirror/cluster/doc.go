// Package cluster makes a mirror in an object store, on one machine or many: one of them lists,
// all fetch. What it writes is in package segments. What is done is what stands there: the bus may
// forget, repeat or reorder anything.
//
// # Words
//
// A process is one run of the program, a member of the cluster. Its slots each work at one
// item: a segment that is to be fetched. The leader is the process that has the lease. It lists
// (lister.go): it writes name segments, which are a chain. And it keeps (keeper.go): it offers
// what is left, seals what is committed, and removes what nobody refers to. A segment is left while
// it has no commit. An attempt is one try at a segment; of several at once the first to commit wins,
// and the others remove what they wrote.
//
// # Who does what
//
//	lead      waits for the lease, then runs list and keep as long as it is held
//	list      walks the listing, numbers its names, writes a name segment for each 64 Ki
//	keep      each sealEvery: looks what is new in the store, offers, seals
//	work      in Options.Slots at a time: pulls an item, fetches it, writes contents and commit
//	report    each reportEvery: tells the others, and hears them
//
// # Why it is right
//
//   - The next name segment, a commit and a manifest are claims: whoever is late, having
//     slept or having been cut off, wins a claim that nobody has, with what follows from all before it,
//     or loses it. No clock is compared with another machine's, and the lease only
//     saves work.
//   - A lister that loses a claim to a higher epoch has been followed by another, and stops.
//     One that loses to a lower one goes on from what that wrote.
//   - What is left is found by listing the store, each time anew. Reports and the bus only say
//     what need not be offered.
//   - Who is not heard of any more for some seconds is taken to have gone, and what it was at is
//     offered again (gone.go). If it lives after all, two work at it, which is harmless.
//   - Who has no origin, object store or disk for longer than is waited ends, or with a wait for
//     ever hands back the lease and items and takes part again (Process.Run). Meanwhile others who
//     are idle work at its segments too.
//   - Whose local disk is full hands back the segment at which it noticed, and begins another one
//     after a pause; who lists hands back the lease (room.go). That an object store is full is none of
//     this (store.go): it is away.
//   - An attempt's objects are removed by others only once its segment has another attempt's commit,
//     which is final. So that needs no clock.
//   - Near the end each commit is told at once, and looked for. Who ends waits a moment until all
//     others know, as one of them may run the bus (end.go).
//   - A mirror is complete when a manifest says so, which is written after each name segment up
//     to the last has a commit that was read.
//
// # What the origin is asked
//
// Each file once, where nothing fails and nobody dies, but for some files at the beginning of a process's
// first segment. Those are its client's guards (see package wire): it asks for them again, 16 at once
// to see whether pipelining works, then two to four behind each round, to prove that its answers are what they
// seem. Where rounds are as long as they get that is one in a hundred or less. Each process has a client of its own, so
// each proves for itself.
//
// # Bounds
//
// In memory: one segment of names while it is numbered (SegmentNames, SegmentBytes); some
// hundred bytes for each sealed segment at the leader; maxReportItems items of each process. On the
// local disk: what Options.Slots and waitingSegments segments take, each cut where the listing
// says more than SegmentContent bytes of files. In the bus: offerAhead items.
package cluster
