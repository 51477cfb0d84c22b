// Package objectstest is what tests of object stores need: a store in memory that has
// troubles by a seed or where a test wants them, a server for S3 over it, and the tests that
// every store passes. It is for tests alone.
package objectstest
