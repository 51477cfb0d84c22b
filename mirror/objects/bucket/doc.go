// Package bucket keeps objects in a bucket of S3, or of what speaks like it.
//
// # Requests
//
// They are made by net/http, signed by AWS's own signer, and understood by package s3. (AWS's
// whole client adds 1.30 MB to the program, and minio-go 1.15 MB; these add nothing, as the
// program has them anyway.) Each is sent once, but where a refusal can be mended: another
// clock, keys that have expired, another region. What may pass is the caller's to try again.
//
// # Writing
//
// Create is a PUT with If-None-Match: *. 412 says that there is an object, 409 that two were
// written at once, and that it is to be tried again. A server that says that it does not know the
// condition is refused, and one that ignores it is what objects.Probe is for.
//
// The SHA-256 of a body is part of its signature, so that a server takes no other; its
// CRC-32C is sent beside it, for servers that keep it. Reading the whole of an object
// checks the sum that the server says it has, which of parts says nothing.
//
// A Put of more than singleBytes goes in parts, which are tried again one by one. One that is
// given up is aborted. After a crash its parts stay, and cost money, until a rule of the
// bucket's (AbortIncompleteMultipartUpload) removes them. Create has no parts, and so a
// limit of 5 GiB.
//
// # Bounds
//
// There are at most Requests at once, readers that are not closed included. A connection on
// which nothing comes or goes for wire.Timeouts' Idle and Response is cut. In memory a request has
// some 10 KB, a page of a listing 1 MB.
package bucket
