package serve

import (
	"testing"

	"github.com/motefs/motefs/mirror/origin/serve/sigv4"
)

// TestS3Refused has an answer for each error of a signature.
func TestS3Refused(t *testing.T) {
	for _, err := range []error{
		sigv4.ErrNone, sigv4.ErrAlgorithm, sigv4.ErrMalformed, sigv4.ErrAccessKey, sigv4.ErrSessionToken, sigv4.ErrRegion, sigv4.ErrScope,
		sigv4.ErrTime, sigv4.ErrSkewed, sigv4.ErrUnsigned, sigv4.ErrNoBodySum, sigv4.ErrBodySum, sigv4.ErrSignature,
	} {
		if s3Refused[err] == nil {
			t.Errorf("%v has no answer", err)
		}
	}
}
