// Package wiretest is the far side of an HTTP client in tests: servers of which
// the test writes every byte, and listeners without a network's buffers.
//
// Every server counts its connections and remembers the targets that it read, so
// that a test can say how much a client asked for.
package wiretest
