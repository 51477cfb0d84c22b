// Package page is the web page of a running motefs: what it does now and did in the
// past hour, and a browser of its tree. It is HTML, CSS and JavaScript modules that
// stand in the binary; it asks nobody else for anything.
//
// # Words
//
// A sample is one row of numbers, taken once a second; the history is the ring of the
// samples of the past hour. A stream is one browser's connection that is sent each new
// sample, with the status, as server-sent events. A key is the name of a directory
// entry in URL-safe base64, as names are any bytes.
//
// # What is answered
//
//	GET /              the page; /main.js, /style.css and the like are its assets
//	GET /api/events    a stream
//	GET /api/history   ?since=N: the samples after number N
//	GET /api/files     ?dir=INODE and after=KEY, before=KEY, at=KEY, from=TEXT or end=1: some
//	                   entries of a directory, by their names
//	GET /api/file      ?dir=INODE&name=KEY: one of them, with the beginning of its
//	                   content if it is fetched
//	GET /api/failures  ?from=INODE: files that could not be fetched, by their numbers
//
// The answers of /api are for the page of the same binary, and promised to nobody else.
//
// # Invariants
//
//   - Nothing is changed by any request, and nothing is asked of the origin.
//   - Names and contents are shown to the user who runs motefs alone, or to all users of the
//     machine where they may see the mount's files anyway (Options.Everyone), and to no
//     other machine; see peer.go. Counts are shown to all, and of the last error its kind.
//   - A browser that does not read holds nothing up: each write has a deadline
//     (writeTime), a stream that lags skips samples, and of streams and of requests that
//     read the store there are at most maxStreams and maxReads at a time.
//   - What a name or a content says is never markup: the page puts text into text nodes
//     alone, which its Content-Security-Policy with Trusted Types holds it to.
//   - After Close no request reads the store.
package page
