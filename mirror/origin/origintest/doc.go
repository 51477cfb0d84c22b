// Package origintest is the reference origin of package serve for tests: it
// misbehaves when told to, and counts what it was asked for.
//
// [Server.SetFaults] sets hooks that see every request and may have it answered
// wrongly or not at all: see [Fault]. While no hook is set a request pays an
// atomic load or two for them.
//
// [Fault].Delay is not serve.Options.GetLatency, which acts like a longer wire:
// it is a server that thinks. A connection's requests are served one after
// another, so delays on one connection add up.
//
// It speaks S3 where serve.Options.S3 says so. [S3Refusal] is a fault of it, and
// [SignS3] signs what a test asks itself.
//
// [Files] is a source of a short list of files, in any order, with any names,
// also twice the same. [Prefixed] makes the markers of a source hard to encode.
package origintest
