package bucket

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/s3"
	"github.com/motefs/motefs/mirror/wire/files"
)

var _ objects.Store = (*Store)(nil)

const (
	// Requests bounds how many there are at once.
	Requests = 128
	// maxMends is how often one request is sent: a clock, keys, a region, and once more.
	maxMends = 4
	// leastSkew is how wrong a clock is at least that a server complains about.
	leastSkew = time.Minute
)

// ErrOptions says that New has options that cannot be.
var ErrOptions = errors.New("S3 options")

// Store is a bucket, or what has a prefix in it. Its methods may be called from any goroutine.
type Store struct {
	o         s3.Options
	ctx       context.Context // ends with Close
	cancel    context.CancelFunc
	transport *http.Transport
	keys      *s3.Keyring
	signer    *v4.Signer
	skew      atomic.Int64 // how much later it is at the server, in nanoseconds
	region    atomic.Pointer[region]
	// singleBytes and partBytes are the constants, but for tests.
	singleBytes, partBytes int64
}

// region is where the bucket is, as far as is known.
type region struct {
	name string
	url  *url.URL // of the bucket
}

// New returns a store that Close must be called on. It connects to nothing. Options are those of
// an origin, of which the prefix is "" or a folder's, with a slash at its end; what is
// about getting many files, as Listers, Pipeline and MaxFileSize, has no meaning here.
func New(o s3.Options) (*Store, error) {
	o.EnsureDefaults()
	if err := errors.Join(o.Validate(), checkPrefix(o.Prefix)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOptions, err)
	}
	u, err := o.BucketURL(o.Region)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOptions, err)
	}
	s := &Store{o: o, singleBytes: singleBytes, partBytes: partBytes}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.region.Store(&region{o.Region, u})
	s.keys = s3.NewKeyring(o.Keys, s.now, o.Log)
	s.signer = v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	secure := o.TLS.Clone() // nil of nil
	if secure == nil {
		secure = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	s.transport = &http.Transport{
		Proxy:               func(r *http.Request) (*url.URL, error) { return o.Proxy(r.URL) },
		DialContext:         s.dial,
		TLSClientConfig:     secure,
		TLSHandshakeTimeout: o.Timeouts.Handshake,
		DisableCompression:  true,
		MaxConnsPerHost:     Requests,
		MaxIdleConnsPerHost: Requests,
		IdleConnTimeout:     o.Timeouts.Keep,
		WriteBufferSize:     64 << 10,
		ReadBufferSize:      64 << 10,
	}
	return s, nil
}

// checkPrefix returns an error where what is behind a prefix could be taken for something else on
// the way.
func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	parts := strings.Split(prefix, "/")
	last := len(parts) - 1
	if parts[last] != "" || slices.ContainsFunc(parts[:last], func(p string) bool { return p == "" || p == "." || p == ".." }) {
		return fmt.Errorf("prefix %q: none of the names between its slashes may be empty, . or .., and a slash ends it", prefix)
	}
	return nil
}

// now is the server's time.
func (s *Store) now() time.Time { return time.Now().Add(time.Duration(s.skew.Load())) }

// request is one that is sent.
type request struct {
	method string
	name   string // of the object, "" for the bucket
	query  url.Values
	header http.Header
	body   *body // nil: none
}

// keyless is that there are no keys to sign with. Others may come, as after an answer that was lost.
type keyless struct{ error }

func (k keyless) Unwrap() []error { return []error{objects.ErrAway, k.error} }

// send sends a request and returns the response of one that succeeded, to be closed. Its body ends
// with ctx and with the store. The error of another is its *s3.Refusal, or that there was no
// answer (objects.ErrAway).
func (s *Store) send(ctx context.Context, r *request) (*http.Response, error) {
	for range maxMends {
		if err := s.keys.Have(ctx); err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return nil, keyless{err}
		}
		at, keys := s.region.Load(), s.keys.Load()
		response, err := s.once(ctx, r, at, keys)
		if err != nil {
			return nil, err
		}
		if response.StatusCode/100 == 2 {
			return response, nil
		}
		refusal := s3.RefusalOf(response)
		response.Body.Close()
		again, err := s.mend(ctx, refusal, at, keys)
		if err != nil {
			return nil, errors.Join(err, refusal)
		}
		if !again {
			return nil, refusal
		}
	}
	return nil, fmt.Errorf("%w: the server finds another fault with each request", objects.ErrUnfit)
}

// once sends a request once.
func (s *Store) once(ctx context.Context, r *request, at *region, keys *s3.Keys) (*http.Response, error) {
	ctx, end := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.ctx, func() { end(objects.ErrClosed) })
	release := func() { stop(); end(nil) }
	if s.ctx.Err() != nil {
		end(objects.ErrClosed)
	}
	hr, err := s.prepare(ctx, r, at, keys)
	if err != nil {
		release()
		return nil, err
	}
	response, err := s.transport.RoundTrip(hr)
	if err != nil {
		err = r.explain(ctx, err)
		release()
		return nil, err
	}
	response.Body = &held{ReadCloser: response.Body, ctx: ctx, release: release}
	return response, nil
}

// prepare makes the signed request.
func (s *Store) prepare(ctx context.Context, r *request, at *region, keys *s3.Keys) (*http.Request, error) {
	u := *at.url
	if u.RawPath = at.url.EscapedPath() + "/"; r.name != "" {
		u.RawPath = string(files.AppendName([]byte(u.RawPath), s.o.Prefix+r.name))
	}
	u.Path = at.url.Path + "/"
	if r.name != "" {
		u.Path += s.o.Prefix + r.name
	}
	u.RawQuery = strings.ReplaceAll(r.query.Encode(), "+", "%20")
	hr, err := http.NewRequestWithContext(ctx, r.method, u.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	hr.URL = &u
	for name, values := range s.o.Header {
		hr.Header[http.CanonicalHeaderKey(name)] = values
	}
	for name, values := range r.header {
		hr.Header[http.CanonicalHeaderKey(name)] = values
	}
	hr.Header.Set("User-Agent", s.o.UserAgent)
	if s.o.RequestPayer {
		hr.Header.Set("X-Amz-Request-Payer", "requester")
	}
	sum := emptySum
	if r.body != nil {
		sum = r.body.sha256
		hr.ContentLength = r.body.size
		if r.body.size > 0 {
			hr.Body = r.body.reader(ctx)
		}
	}
	if keys == nil {
		return hr, nil
	}
	hr.Header.Set("X-Amz-Content-Sha256", sum)
	credentials := aws.Credentials{AccessKeyID: keys.ID, SecretAccessKey: keys.Secret, SessionToken: keys.Token}
	return hr, s.signer.SignHTTP(ctx, credentials, hr, sum, "s3", at.name, s.now())
}

// mend removes the reason of a refusal where it can, and reports whether another try may
// have more luck.
func (s *Store) mend(ctx context.Context, r *s3.Refusal, at *region, keys *s3.Keys) (again bool, err error) {
	switch r.Code {
	case "RequestTimeTooSkewed":
		if r.Date().IsZero() {
			return false, nil
		}
		skew := time.Until(r.Date())
		if d := skew - time.Duration(s.skew.Load()); d.Abs() < leastSkew {
			return false, nil
		}
		s.skew.Store(int64(skew))
		s.o.Log.Warn().Stringer("by", skew.Round(time.Second)).Msg("the clock is not that of the S3 server; requests are signed by the server's time")
		return true, nil
	case "ExpiredToken", "TokenRefreshRequired", "InvalidToken":
		switch now := s.keys.Load(); {
		case keys == nil:
			return false, nil // nothing is signed
		case now == keys:
			if err := s.keys.Renew(ctx); err != nil {
				return false, err
			}
		}
		return *s.keys.Load() != *keys, nil
	}
	if r.Region == "" || r.Region == at.name || !s3.ValidRegion(r.Region) {
		return false, nil
	}
	switch r.Status() {
	case http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusBadRequest, http.StatusForbidden:
	default:
		return false, nil
	}
	u, err := s.o.BucketURL(r.Region)
	if err != nil {
		return false, err
	}
	if s.region.CompareAndSwap(at, &region{r.Region, u}) {
		s.o.Log.Info().Str("region", r.Region).Str("instead_of", at.name).Msg("the bucket is in another region; --segments-region spares finding that out")
	}
	return true, nil
}

// explain is an error of package http in the words of package objects.
func (r *request) explain(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case r.body != nil && r.body.failed() != nil:
		return fmt.Errorf("read what is to be written: %w", r.body.failed())
	case mirror.Temporary(err):
		return err
	}
	return fmt.Errorf("%w: %w", objects.ErrAway, err)
}

// check is what every method does first.
func (s *Store) check(ctx context.Context, op, name string) error {
	if s.ctx.Err() != nil {
		return fmt.Errorf("%s %q: %w", op, name, objects.ErrClosed)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return objects.CheckName(name)
}

// Close implements objects.Store. Readers that are open fail.
func (s *Store) Close() error {
	s.cancel()
	s.transport.CloseIdleConnections()
	return nil
}
