package sigv4

import "errors"

// Why a request is refused. Check returns nothing else.
var (
	// ErrNone is of a request that is not signed.
	ErrNone = errors.New("the request is not signed")
	// ErrAlgorithm is of one that is signed in another way.
	ErrAlgorithm = errors.New("the signature is not of AWS4-HMAC-SHA256")
	// ErrMalformed is of an Authorization header that cannot be read.
	ErrMalformed = errors.New("the authorization header is malformed")
	// ErrAccessKey is of an access key that is not known.
	ErrAccessKey = errors.New("the access key is not known")
	// ErrSessionToken is of a session token that is another, or missing.
	ErrSessionToken = errors.New("the session token is wrong")
	// ErrRegion is of a signature for another region.
	ErrRegion = errors.New("the signature is for another region")
	// ErrScope is of one for another day than its time, another service, or with
	// another end.
	ErrScope = errors.New("the scope of the signature is wrong")
	// ErrTime is of a request without a time that can be read.
	ErrTime = errors.New("the request has no time")
	// ErrSkewed is of a time that is more than MaxSkew from now.
	ErrSkewed = errors.New("the time of the request is too far from now")
	// ErrUnsigned is of a header field that must be signed and is not: Host, and all
	// that begin with x-amz-.
	ErrUnsigned = errors.New("a header field is not signed")
	// ErrNoBodySum is of a request without x-amz-content-sha256.
	ErrNoBodySum = errors.New("x-amz-content-sha256 is missing")
	// ErrBodySum is of one that says the sum of a body which a GET or a HEAD has not.
	ErrBodySum = errors.New("x-amz-content-sha256 is not that of the body")
	// ErrSignature is of a signature that another key or another request has.
	ErrSignature = errors.New("the signature does not match")
)
