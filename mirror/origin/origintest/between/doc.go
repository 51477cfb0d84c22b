// Package between is a network between a client and an origin, for tests. It
// does by a seed what networks do: it takes bytes apart anywhere, delays them,
// stalls, and cuts connections. It also does what broken proxies do to a stream
// of HTTP/1.1 responses: it duplicates one, drops one, or is late with one.
//
//	n := between.New(t, between.Options{MaxFragment: 100, MaxDelay: 5 * time.Millisecond})
//	client := origin.New(origin.Options{BaseURL: url, Dial: n.Dial})
//
// [Network.Dial] gives a client connections that read and write like this in its
// own process, where a fragment is certain to be a Read of its own.
// [Network.Forward] is a proxy for clients that cannot be given a dialer, such
// as child processes; there the kernel may join two fragments again.
//
// # What is decided by the seed
//
// Connections are numbered as they are dialed. Each has three sources of
// randomness made of the seed and its number: for what is read, for what is
// written, and for what happens to its responses. So the k-th response of the
// n-th connection meets the same fate in each run, whatever the timing. Which
// file that is depends on the client.
//
// # Faults that no client can see
//
// In a pipeline only the order ties a response to its request. A duplicate
// shifts the responses behind it back by one and a drop shifts them forward,
// which shows at the end of the burst: one too many, or one missing. So a
// connection has at most one kind of fault of duplicates, drops and truncation,
// picked by the seed: a drop would undo a duplicate, and a truncation hides the
// end. A server that closes the connection by itself hides it just as well.
//
// For the same reason a response is only duplicated or dropped while a request
// behind it is on its way. The duplicate of the last one may come at any time,
// also as the response to a request that was not sent yet.
//
// A client that got one response too few waits for it until it loses patience:
// give a client under test a short timeout if there are drops.
//
// # Framing
//
// Responses are told apart by Content-Length. From the first one that has none,
// and from the first request that is not a GET, or under TLS, a connection's
// bytes are passed on as they are, fragmented, delayed and truncated, but no
// response is duplicated, dropped or late. Responses of more than 64 KiB are
// passed on once.
//
// # Memory and goroutines
//
// A connection has about 160 KiB of buffers at most. Dial starts no goroutine;
// Forward has one that accepts and two for each connection. [Network.Close]
// closes every connection, those of Dial included, and waits for all of them.
package between
