package serve

import (
	"errors"
	"net/http"
	"time"

	"github.com/motefs/motefs/mirror/origin/serve/sigv4"
	"github.com/valyala/fasthttp"
)

// s3Refused says how S3 answers each error of sigv4.
var s3Refused = map[error]*S3Error{
	sigv4.ErrNone:         s3AccessDenied,
	sigv4.ErrAlgorithm:    {400, "InvalidRequest", "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."},
	sigv4.ErrMalformed:    {400, "AuthorizationHeaderMalformed", "The authorization header that you provided is not valid."},
	sigv4.ErrAccessKey:    {403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."},
	sigv4.ErrSessionToken: {400, "InvalidToken", "The provided token is malformed or otherwise invalid."},
	sigv4.ErrRegion:       {400, "AuthorizationHeaderMalformed", "The authorization header is malformed; the region is wrong"},
	sigv4.ErrScope:        {400, "AuthorizationHeaderMalformed", "The authorization header is malformed; the date, the service or the terminator is wrong"},
	sigv4.ErrTime:         {403, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header"},
	sigv4.ErrSkewed:       {403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."},
	sigv4.ErrUnsigned:     {403, "AccessDenied", "There were headers present in the request which were not signed"},
	sigv4.ErrNoBodySum:    {400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256"},
	sigv4.ErrBodySum:      {400, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed."},
	sigv4.ErrSignature:    {403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method."},
}

// signed reports whether the request may be answered. If not, the response says why.
func (f *s3Face) signed(ctx *fasthttp.RequestCtx, c *conn, target []byte) bool {
	check := c.s3.check
	if check == nil {
		return true
	}
	err := check.Check(ctx.Method(), target, ctx.Request.Header.RawHeaders())
	if err == nil {
		return true
	}
	var details []string
	switch {
	case errors.Is(err, sigv4.ErrRegion):
		c.response.Set("X-Amz-Bucket-Region", f.o.Region)
		details = []string{"Region", f.o.Region}
	case errors.Is(err, sigv4.ErrSkewed):
		now := check.Now().UTC()
		c.response.Set(fasthttp.HeaderDate, now.Format(http.TimeFormat))
		details = []string{"ServerTime", now.Format(time.RFC3339), "MaxAllowedSkewMilliseconds", "900000"}
	case errors.Is(err, sigv4.ErrSignature):
		details = []string{"StringToSign", string(check.StringToSign()), "CanonicalRequest", string(check.CanonicalRequest())}
	}
	f.refuse(c, s3Refused[err], details...)
	return false
}
