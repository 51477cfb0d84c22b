// Package objects keeps immutable objects by their names in what many machines reach: an
// S3 bucket (package bucket), or a folder of a shared filesystem (package folder). It knows
// nothing of what is in them. Package store opens either by its URL.
//
// # Words
//
// An object is written whole, or not at all, and never changed. A claim is an object that
// several may want to write under one name: the first wins, and all others find out who
// (Claim). A store whose Create lets two win is of no use for claims: Probe finds that out.
//
// A store is away while it gives no answers. A store itself tries once; Retry has those that
// may pass tried again.
package objects
