// Package serve is the reference origin: a server that speaks the protocol that
// motefs mirrors, or S3, for `motefs serve`, for benchmarks and, with faults that
// package origintest adds, for tests. It is fast enough that a benchmark
// measures the client.
//
// # Protocol
//
//	GET {base}/list                       the first page
//	GET {base}/list?next-marker={marker}  the page at marker
//	GET {base}/get/{name}                 a file
//
// A page is {"FileNames": [...], "NextFile": "marker"}; the last page has no
// NextFile. Names and markers are percent-encoded in a request, byte for byte:
// the raw request target is decoded once and never cleaned, so that "a//b",
// "..", "%" and NUL are names like any other. A "+" is a plus. A name that is
// not valid UTF-8 stands in the JSON as the raw bytes that it is.
//
// Gets answer HEAD, one byte range (206, 416), If-Range, If-None-Match and
// If-Modified-Since (304); pages that have an ETag answer If-None-Match. A bad
// marker or a bad percent-encoding is 400, another method 405. No Date, Server or
// Content-Type header is sent with a file.
//
// # S3
//
// With [Options].S3 the server speaks S3 instead, of one bucket that can only be
// read: GET and HEAD of objects as above, and If-Match and If-Unmodified-Since
// (412); ListObjectsV2 and the older ListObjects, HeadBucket, ListBuckets and
// GetBucketLocation. The bucket is the first element of the path, or of the host
// name. What writes is MethodNotAllowed, what asks for more NotImplemented, and all
// refusals are S3's documents ([S3Error]). Requests are anyone's, or signed: package
// sigv4.
//
// Keys are listed in the order of their bytes, at most 1,000 on a page and 1,000
// by default, and less where [Options].PageSize says so. A continuation token is made
// from the key or the common prefix before it, and begins with "+/+": whoever does
// not percent-encode it in a query has it refused. ETag and Last-Modified are told by
// the source: a [Synthetic] needs its S3ETags, which no client takes for an MD5.
// A key that is not valid UTF-8 goes out as the bytes that it is, and one with
// control characters is valid XML with encoding-type=url only, as at AWS.
//
// # Sources
//
// What is served is a [Source]. [Synthetic] has files whose names and bodies
// are pure functions of their index, so that a billion of them need neither
// memory nor disk; a [SyntheticEdition] says what has become of them since, so that
// an origin that changed is served as cheaply. [Tree] is a real directory. A [Switch]
// is any source, and another one at any moment. For S3 a source has to be a
// [KeyLister], which all of these are, unless they are shuffled.
//
// # Interception
//
// [Options].Intercept sees every request and may hand back a [Writer], which
// writes the response to the connection by hand, after the responses to all
// requests pipelined before it were flushed. Unless it ends the connection, the
// requests pipelined behind it are then answered as usual. A server without an
// Interceptor pays a comparison for this.
//
// # Latency
//
// [Options].GetLatency and ListLatency act like a longer wire: an answer is
// not given before its request has been here for that long. The clock starts
// when the request's bytes arrive, also while an earlier request still waits,
// so that a client which pipelines or opens more connections pays it once and
// not once for each request.
//
// # Goroutines
//
// One accepts, one serves each connection, and with latency one more reads for
// each connection. [Server.Close] cuts every connection, ends every
// [Exchange.Wait], and waits for all of them.
package serve
