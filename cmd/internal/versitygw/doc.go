// Package versitygw runs a versitygw, somebody else's S3 server over a directory, on
// this machine for tests and benchmarks. `make test` builds it into .bin.
package versitygw
