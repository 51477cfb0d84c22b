// Package s3 is Amazon's S3, and what speaks like it, on package wire: it lists a bucket
// and gets its objects. Client is a mirror.Lister, a mirror.Fetcher and a
// mirror.RangeFetcher.
//
// # Names and keys
//
// A name is a key without Options.Prefix. Keys are sent percent-encoded byte by byte and
// never cleaned. A key that ends in a slash and has no content is a directory marker, of
// which other programs make empty directories: it is no file, and is left out. Which
// other keys have no path is the store's to say.
//
// # The listing
//
// ListObjectsV2 gives a thousand keys a page, and the token for a page comes with the
// one before. So one sequence takes days for a billion keys, and a listing is asked for
// in several ranges of keys at a time (walk.go, shape.go). The caller sees one sequence all the
// same: the ranges lie side by side, and their pages are handed out in the order of
// the keys. So the checkpoint is one marker, the store's numbers are in the order of the keys,
// and a refresh compares two listings that are in the same order.
//
// A marker is the last key before its page, and the token for it, where there is one
// (marker.go). The token is tried first. Tokens expire; then it is the key that
// StartAfter goes on from. A server that does not list in the order of its keys, or
// ignores StartAfter, is noticed by what it lists: it is walked in one sequence, by
// tokens alone, and where one of those is refused the listing begins again.
//
// What nobody can see from the pages: a server that lists in another order than that of
// the bytes of its keys, and has StartAfter go by those all the same. Its keys between
// two orders are lost to ranges; Options.Listers 1 has them.
//
// A page is scanned once as it comes, for its token and its end; its keys are decoded
// later, in pieces. A page that is not well-formed, or cut short, is no page.
//
// # Objects
//
// A get has no If-Match: its response brings content, ETag, size and time, which belong
// together, and whoever has shown what the listing said compares them. A condition
// would cost a second request where the object is another by now. Parts are asked for
// with the ETag.
//
// An ETag is only ever compared: it is the MD5 of the content for some objects and not
// for others.
//
// # Checksums
//
// Gets of objects ask for the sum of the object (x-amz-checksum-mode), and bodies are
// checked against it (sum.go, Options.Sum of package wire): one sum, that which costs
// least. Objects that came in parts may have only a sum of the parts' sums (COMPOSITE),
// which is not checked, nor is a part of an object, of which S3 says no sum. Where a
// server says none nothing is checked. The field is among those that are signed, and
// costs the signature a block more of SHA-256; lists have no such field.
//
// # Signatures
//
// Requests are signed by AWS Signature Version 4 (sign.go), or not at all where
// Options.Keys is nil. Where the server says that the clock is wrong, its Date is
// believed instead, from then on; where it says that the keys have expired, they are
// asked for anew; where it says that the bucket is in another region, that is signed
// for, and asked. Each of these only as often as it helps: refusal.go.
//
// 503 (SlowDown) slows the whole mirror down, and has fewer ranges be listed at a time.
// 500 does not: S3 answers one request in many so, whatever the rate.
package s3
