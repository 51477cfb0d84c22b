package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire"
)

// maxRefusal bounds what is read of an error's document, in bytes.
const maxRefusal = 64 << 10

// Refusal is an answer of S3 that says why it is none.
type Refusal struct {
	// Code and Message are the server's words, empty where it has none.
	Code, Message string
	// Region is where the bucket is, where the server says so.
	Region string
	status *mirror.StatusError
	date   time.Time // of the answer; zero where it does not say
}

func (r *Refusal) Error() string {
	if r.Code == "" {
		text := fmt.Sprintf("the server answered %d", r.status.Code)
		if status := http.StatusText(r.status.Code); status != "" {
			text += " (" + status + ")"
		}
		return text
	}
	text := fmt.Sprintf("S3 answered %d, %s", r.status.Code, wire.Clip(r.Code))
	if r.Message != "" {
		text += ": " + strings.TrimRight(wire.Clip(r.Message), ".")
	}
	return text
}

// Advice says what to do about the refusal; empty where nobody knows. flags is what the flags'
// names begin with that say how the bucket is reached, as "--".
func (r *Refusal) Advice(flags string) string { return strings.ReplaceAll(advice[r.Code], "--", flags) }

// Unwrap is the status.
func (r *Refusal) Unwrap() error { return r.status }

const (
	checkKeys  = "check the access key and its secret (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or --profile)"
	logInAgain = "the session's credentials have expired: get new ones (aws sso login, say)"
)

// advice is what to do about a refusal, by its code.
var advice = map[string]string{
	"AccessDenied":                 "the credentials need s3:ListBucket for the bucket and s3:GetObject for its objects; a public bucket needs --no-sign-request; where the requester pays, give --request-payer",
	"AllAccessDisabled":            "the bucket is closed by its owner",
	"AuthorizationHeaderMalformed": "give the bucket's region with --region",
	"ExpiredToken":                 logInAgain,
	"InvalidAccessKeyId":           checkKeys,
	"InvalidObjectState":           "the object is in an archive and has to be restored first",
	"InvalidToken":                 logInAgain,
	"NoSuchBucket":                 "check the bucket's name and --endpoint-url",
	"PermanentRedirect":            "give the bucket's region with --region, or the endpoint with --endpoint-url",
	"RequestTimeTooSkewed":         "set the clock",
	"SignatureDoesNotMatch":        checkKeys,
	"TokenRefreshRequired":         logInAgain,
	"XAdminUserNotFound":           checkKeys, // of versitygw
}

// refusalOf reads the document of an error, behind the tag that begins it or from its
// beginning.
func refusalOf(raw []byte, status *mirror.StatusError) *Refusal {
	r := &Refusal{status: status}
	s := scanner{raw}
	for {
		_, t, err := s.next()
		if err != nil {
			return r
		}
		field := (*string)(nil)
		switch string(t.name) {
		case "Code":
			field = &r.Code
		case "Message":
			field = &r.Message
		case "Region":
			field = &r.Region
		}
		if field == nil || t.end {
			continue
		}
		text, err := s.element(t)
		if err != nil {
			return r
		}
		if b, err := appendText(nil, text); err == nil {
			*field = string(b)
		}
	}
}

// statusOf is the status that a refusal with status 200 should have had, and the one
// that a code says better than its status.
func (r *Refusal) statusOf() *mirror.StatusError {
	switch {
	case r.Code == "RequestTimeout":
		r.status.Code = http.StatusRequestTimeout
	case r.Code == "SlowDown" || r.Code == "ServiceUnavailable":
		r.status.Code = http.StatusServiceUnavailable
	case r.status.Code == http.StatusOK:
		r.status.Code = http.StatusInternalServerError
	}
	return busy(r.status)
}

// refusalFrom reads why a request was refused.
func refusalFrom(r *wire.Response) error {
	err := r.Err()
	status, ok := errors.AsType[*mirror.StatusError](err)
	if !ok {
		return err // a proxy's
	}
	raw, err := io.ReadAll(io.LimitReader(r, maxRefusal))
	if err != nil {
		raw = nil // the status says enough
	}
	refusal := refusalOf(raw, status)
	refusal.status = refusal.statusOf()
	if region := r.Field("x-amz-bucket-region"); len(region) > 0 {
		refusal.Region = string(region)
	}
	if at, err := http.ParseTime(string(r.Field("date"))); err == nil {
		refusal.date = at
	}
	return refusal
}

// slowDown is how long a 503 without a Retry-After asks to wait: S3 has no other way to say
// that there were too many requests.
const slowDown = 100 * time.Millisecond

// busy has a status 503 ask to wait.
func busy(status *mirror.StatusError) *mirror.StatusError {
	if status.Code == http.StatusServiceUnavailable && status.RetryAfter == 0 {
		status.RetryAfter = slowDown
	}
	return status
}

// explain finds out why a get was refused, and whether that can be mended: see
// files.Getter. One is asked at a time, as one answer serves for all.
func (c *Client) explain(ctx context.Context, target string, _ *mirror.StatusError) (again bool, err error) {
	before := c.state()
	if err := acquire(ctx, c.explaining); err != nil {
		return false, err
	}
	defer func() { <-c.explaining }()
	if c.state() != before {
		return true, nil // somebody else has mended it
	}
	err = c.at.Load().One(ctx, wire.Get, target, nil, true, func(r *wire.Response) error {
		defer r.End()
		if r.Status() == http.StatusOK {
			return nil
		}
		return refusalFrom(r)
	})
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok {
		return err == nil, err
	}
	if again, err = c.mend(ctx, refusal); again || err != nil {
		return again, err
	}
	return false, refusal
}

// state is what mend may change.
type state struct {
	at   *endpoint
	keys *Keys
	skew int64
}

func (c *Client) state() state { return state{c.at.Load(), c.keys.Load(), c.skew.Load()} }

// mendSince is mend for a request that was made in that state.
func (c *Client) mendSince(ctx context.Context, before state, r *Refusal) (again bool, err error) {
	if err := acquire(ctx, c.explaining); err != nil {
		return false, err
	}
	defer func() { <-c.explaining }()
	if c.state() != before {
		return true, nil // somebody else has mended it
	}
	return c.mend(ctx, r)
}

// acquire takes a semaphore.
func acquire(ctx context.Context, semaphore chan struct{}) error {
	select {
	case semaphore <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leastSkew is how wrong a clock is at least that a server complains about.
const leastSkew = time.Minute

// mend removes the reason of a refusal where it can: another clock, other keys, another
// region. again reports whether it has changed anything.
func (c *Client) mend(ctx context.Context, r *Refusal) (again bool, err error) {
	switch r.Code {
	case "RequestTimeTooSkewed":
		if r.date.IsZero() {
			return false, nil
		}
		skew := time.Until(r.date)
		if d := skew - time.Duration(c.skew.Load()); d.Abs() < leastSkew {
			return false, nil
		}
		c.skew.Store(int64(skew))
		c.o.Log.Warn().Stringer("by", skew.Round(time.Second)).Msg("the clock is not that of the S3 server; requests are signed by the server's time")
		return true, nil
	case "ExpiredToken", "TokenRefreshRequired", "InvalidToken":
		old := c.keys.Load()
		if old == nil {
			return false, nil // nothing is signed
		}
		if err := c.keys.Renew(ctx); err != nil {
			return false, err
		}
		return *c.keys.Load() != *old, nil
	}
	if r.Region == "" || r.Region == c.at.Load().signer.region {
		return false, nil
	}
	switch r.status.Code {
	case http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusBadRequest, http.StatusForbidden:
		return c.relocate(r.Region)
	}
	return false, nil
}
