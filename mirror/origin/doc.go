// Package origin is the HTTP client of the mirrored service: it lists it page
// by page and gets its files in pipelined batches. Client is a mirror.Lister
// and a mirror.Fetcher.
//
// # Words
//
// An answer is one HTTP response. A name is asked when its GET was written and
// answered when its answer was read whole. A round is a run of GETs written on
// a connection without waiting; its answers come back in the same order, which
// is all that ties a body to a name. A probe finds out whether the origin keeps
// that order; see probe.go.
//
// # Invariants
//
//   - A body is delivered under the name that it answers, or not at all. Any
//     doubt about where an answer begins or ends (ErrFraming) drops the
//     connection with everything on it. The names that were not answered are
//     asked again on another one.
//   - Where an answer in a pipeline is malformed, does not come in time, or is one
//     too many, what came before it is taken back as well (mirror.ErrDesync): it
//     may have been shifted. It is the caller's to ask for those names again, each
//     by itself. maxDesyncs of those turn pipelining off.
//   - Every name is delivered once. A connection that is cut after some answers
//     charges nobody. One that gives no answer at all charges the name that it
//     owed first; maxStrikes of those in a row are an origin out of reach. One
//     from the idle pool that gives no answer charges nobody, as servers close
//     idle connections when they like.
//   - Unless Options.Pipeline says so, nothing is pipelined that was not proven:
//     first two files with different contents are got singly and then by turns
//     in a pipeline of ProbeGets, and compared. One call of Fetch probes; the
//     others, and those of fewer than probeFrom names, go one at a time until it
//     has. A call that is cancelled, and files that are all the same, decide
//     nothing. Wrong answers, or maxProbeCuts probes without all of them, turn
//     pipelining off for the client's life; so do maxShort rounds in a row that
//     end after one answer.
//   - The goroutine that calls Fetch reads; another one writes. So neither waits
//     for the other through the origin's socket buffers (RFC 9112 section 9.3.2
//     lets a server stop reading while its answers are not taken).
//   - In the steady state nothing is allocated for a file: request lines go into
//     a reused buffer, short bodies are handed out in the read buffer.
//   - Time is bounded on the read side: no byte for timing.idle, or an answer
//     slower than timing.minRate, cuts the connection, which also ends the
//     writer's stalled write. The time that deliver takes does not count.
//   - Names are percent-encoded byte by byte and never cleaned: "a//b" and
//     "a/../b" reach the origin as they stand.
//
// # Framing
//
// Heads are parsed by fasthttp, and checked for what it lets pass: Content-Length
// beside Transfer-Encoding, Transfer-Encoding in HTTP/1.0, blank lines before the
// status line, bare line feeds. Bodies are framed here: by length, by chunks, or
// by the end of the connection.
//
// A connection that speaks before it was asked is dropped, but under TLS, where
// that cannot be told from the session's own records.
//
// An origin that answers one request twice in the middle of a round, or whose
// wrong Content-Length happens to end where a head begins, shifts all answers
// behind it. The probe finds one that does so always. Another is seen at the
// end of the round, where bytes are left over, and what the call of Fetch had
// delivered is taken back. What no client can see is a shift in a round that
// such an origin itself ends early, by closing the connection.
//
// An answer that lasts until the connection closes would swallow all that is
// behind it. It is believed only where one file was asked for.
//
// # Proxies
//
// An http proxy is taken from the environment or from Options.Proxy, once. An
// http origin is asked through it by whole URLs, one at a time unless
// Options.Pipeline says otherwise, as many proxies pipeline badly or not at all
// and the probe would prove only the one behind this connection. An https origin
// is reached through a tunnel (CONNECT), which is as good as a connection of its
// own. SOCKS, and proxies that want TLS themselves, are refused by New. Errors
// show the proxy without its password.
//
// # Out of scope
//
// HTTP/2, cookies, and authentication other than fixed extra headers.
package origin
