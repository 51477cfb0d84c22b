// Package sigv4 checks the signatures of requests for S3: AWS Signature Version 4 in
// an Authorization header.
//
// A signature is an HMAC of a text that has the time, the scope (day, region and
// service) and the sum of the canonical request; the key comes from the secret key
// and the scope. See "Authenticating Requests: Using the Authorization Header" of
// Amazon S3's reference. The canonical request is
//
//	method
//	path, each byte but A-Z a-z 0-9 - . _ ~ / percent-encoded
//	query, its parameters encoded likewise (the slash too) and sorted
//	each signed header field: its name in lower case, a colon, its values
//	an empty line
//	the signed names
//	the sum of the body, as x-amz-content-sha256 says it
//
// It is made from what the client has sent: decoded, and encoded again, so that two
// encodings of one path have one signature. A plus in a query is a space.
//
// A [Checker] belongs to one connection. It keeps the day's key and its buffers, and
// checking a request allocates nothing, whichever header fields are signed.
//
// Queries that are signed (presigned requests) and bodies that are signed in chunks
// are not checked; a server that only reads needs neither.
package sigv4
