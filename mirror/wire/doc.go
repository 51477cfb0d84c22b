// Package wire is the HTTP client below every protocol: it gets many targets of
// one server in pipelined rounds, and single ones. It knows connections, requests
// and responses, and nothing of what the files are; package origin is one protocol
// on it.
//
// # Words
//
// A target is what stands in a request line. A round is a burst of requests on one
// connection, with guards behind them; its responses come back in the same order,
// which is all that ties a response to its request. A guard is a request of which
// the response is known. A response is proven once it is certain to be that of its
// request; an answer is a proven response. A request that is asked alone is the
// only one on its connection.
//
// # What is proven, and how
//
// Nothing is handed out that is not proven, and time decides nothing of it: no
// pause, no look at whether bytes are left over. A response is proven in one of
// two ways.
//
//   - It is the first of its connection, and no other request was on its way.
//   - It is followed by the guards of its round, each answered with what it is.
//     There are two guards, of which the responses differ: one of the first, then one
//     or three of the second. The first guard's response is one that the connection
//     has not had before, neither for a guard nor for another request.
//
// All responses that a connection has had are proven, so the client knows what any of
// them would be if it came again: a response of an earlier round, its guards among
// them, is not taken for the first guard of this one, however many come again, how late
// and in what order. What comes again of this round's own requests, and what is missing,
// moves the responses behind it. As the word differs from itself shifted by less than
// its length, a guard is answered wrongly then, where there are fewer of them too many
// or missing than it has guards; where there are more, unless as many files of this very
// round in a row have just the contents of its guards.
//
// A connection has as many rounds as it has guards that are new to it: those that were
// known before it was asked anything, and of which no response looked like one that it
// gave meanwhile. What it gave that was not held in memory counts by its status and
// length. Then it is asked no more, and a new one is taken. So where few guards are known,
// as files are alike, a connection has a round or two.
//
// A round that is not proven is as if it had not been asked: its requests go into
// shorter rounds, down to one alone. What says of a file only that it should be
// asked for later, a 503 say, needs no proof.
//
// A 304 is a response like any other, and is proven as one. As it has no body, a
// stray one moves all that follow it by one place, which the guards show. Guards are
// asked for without a condition, so that none is a 304 itself.
//
// What no client can see: a round in which one response is repeated and another
// left out, or two change places; one in which files have the contents of its guards, and
// those come again in the order and at the place of the guards, with as many others
// too many before them; a Content-Length that is wrong where a whole response is made of
// what it cuts off; a server that gives the wrong file to the right request, or says by
// itself what a guard's response is before it was ever asked.
//
// The guards are at most maxGuards files that differ, with maxGuardBytes of targets: the
// first two got alone, others in proven rounds; one that was answered with a 304 is got
// for it once more, without the condition. Of files over shortGuard the first maxParts
// bytes are asked for, by a Range, and each beginning of them is a guard; so are those
// of a short file, where a connection has run out of few guards. Where all files are
// alike, Options.Absent is one of them. A guard that is not answered rightly is asked for
// alone: if it has changed, all are dropped and others looked for. Where nothing can be
// told apart, every request goes alone.
//
// # Invariants
//
//   - Each request of a Batch is Taken once. A connection that is cut after some
//     responses is held against no request. Two new ones in a row that give none
//     (one, where only one request is made) are held against the request that they
//     owed first; maxStrikes in a row are a server out of reach. One from the idle pool is held against nobody, as servers close idle
//     connections when they like.
//   - A request that stalls is Taken with that at once: it costs Timeouts.Idle, and
//     nobody else.
//   - What is not proven yet is in memory, at most maxHeld bytes of bodies for a
//     round, or with Spool. A round is as long as brings roundBytes and takes no
//     longer than Timeouts.Round, by what the rounds before did.
//   - Longer files than spoolMost go alone, after all others.
//   - With Options.Pipeline 0 nothing is pipelined until a probe has shown that the
//     server keeps order: ProbeGets guards in an order that is not its own shift.
//     Until then, and where it does not, requests go one at a time, in rounds with
//     guards all the same. Wrong answers, or maxProbeCuts probes without all of
//     them, turn pipelining off for the client's life; so do maxDesyncs rounds that
//     fell out of step, maxStalls in a row that stalled, and maxShort in a row that
//     ended after one response.
//   - The goroutine that calls Get reads; where several requests are on their way
//     another one writes. So neither waits for the other through the server's socket
//     buffers (RFC 9112 section 9.3.2 lets a server stop reading while its responses
//     are not taken).
//   - In the steady state nothing is allocated for a request, whether 200 or 304: request lines go into
//     a reused buffer, bodies into the ledger of the round.
//   - Time is bounded on the read side: no byte for Timeouts.Idle, or a response
//     slower than Timeouts.MinRate, cuts the connection, which also ends a stalled
//     write. The time that Take and Spool take does not count.
//   - A connection is used no longer than Timeouts.Age, so that one bad server
//     behind a balancer does not keep its share.
//
// # Sums
//
// Where Options.Sum says what the body of a 200 comes to, it is checked before it is
// handed out: one in memory as it is held, a stream at its end, which is ErrChecksum
// instead of io.EOF; and of a stream of known length the last piece is not handed out
// then, as its reader may stop there. Such a response is whole and is proven like any
// other, so the round goes on. Guards are compared with what they were, and One has no
// sum: neither is checked. A sum shows what was damaged behind whoever made it. It says
// nothing of whose response it is.
//
// # Framing
//
// Heads are parsed as strictly as RFC 9112 has them: nothing that two parsers could read
// in two ways is taken, such as two lengths, a length beside chunks, folded lines, blanks
// before a colon, blank lines before the status line, line feeds or returns alone. Bodies
// are framed by length, by chunks, or by the end of the connection, which is believed only
// alone.
//
// A connection that speaks before it was asked is dropped, but under TLS, where
// that cannot be told from the session's own records.
//
// # Proxies
//
// An http proxy is taken from the environment or from Options.Proxy, once. An
// http server is asked through it by whole URLs, one at a time unless
// Options.Pipeline says otherwise, as many proxies pipeline badly or not at all
// and the probe would prove only the one behind this connection. An https server
// is reached through a tunnel (CONNECT), which is as good as a connection of its
// own. SOCKS, and proxies that want TLS themselves, are refused by New. Errors
// show the proxy without its user-info.
//
// # Out of scope
//
// HTTP/2, cookies, redirects, and authentication other than fixed extra headers.
package wire
