package serve

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	// DefaultPageSize is how many names a page has.
	DefaultPageSize = 1000
	// MaxPageSize is the most that may be asked for.
	MaxPageSize = 10_000_000
)

// Options says how an origin serves. The zero value is a plain server on a
// free port of the loopback interface.
type Options struct {
	// Addr is the address to listen on. Default 127.0.0.1:0.
	Addr string
	// BasePath is what precedes /list and /get, such as "/v1/files". Default
	// nothing.
	BasePath string
	// PageSize is how many names a page has. Default DefaultPageSize.
	PageSize int
	// TLS makes the server speak https. Default http.
	TLS *tls.Config
	// Token, where it is set, must be in each request as "Authorization:
	// Bearer" token; without it the answer is 401.
	Token string
	// MaxRequestsPerConn is after how many requests the server closes a
	// connection, as nginx does with keepalive_requests. Default never.
	MaxRequestsPerConn int
	// ListLatency is how long after its arrival a list request is answered
	// at the earliest. Default at once. See the package comment.
	ListLatency time.Duration
	// GetLatency is the same for a get.
	GetLatency time.Duration
	// S3 has the server speak S3: of a source that is a KeyLister, with at most
	// 1,000 names on a page. BasePath and Token go with the server's own protocol
	// alone. Default that protocol.
	S3 *S3Options
	// Intercept sees each request before its response is made. Default none.
	Intercept Interceptor
}

// EnsureDefaults returns o with the defaults filled in.
func (o Options) EnsureDefaults() Options {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.PageSize == 0 {
		o.PageSize = DefaultPageSize
	}
	o.BasePath = strings.TrimRight(o.BasePath, "/")
	if o.BasePath != "" && o.BasePath[0] != '/' {
		o.BasePath = "/" + o.BasePath
	}
	if o.S3 != nil {
		s3 := o.S3.ensureDefaults()
		o.S3 = &s3
	}
	return o
}

// Validate reports everything that is wrong with o.
func (o Options) Validate() error {
	var errs []error
	if o.PageSize < 0 || o.PageSize > MaxPageSize {
		errs = append(errs, fmt.Errorf("page size %d is not between 1 and %d", o.PageSize, MaxPageSize))
	}
	if strings.ContainsFunc(o.BasePath, notInPath) {
		errs = append(errs, fmt.Errorf("base path %q has bytes that cannot stand in a request", o.BasePath))
	}
	if o.MaxRequestsPerConn < 0 {
		errs = append(errs, fmt.Errorf("negative requests per connection: %d", o.MaxRequestsPerConn))
	}
	if o.ListLatency < 0 || o.GetLatency < 0 {
		errs = append(errs, fmt.Errorf("negative latency: list %v, get %v", o.ListLatency, o.GetLatency))
	}
	if o.S3 != nil {
		errs = append(errs, o.S3.validate()...)
		if o.BasePath != "" || o.Token != "" {
			errs = append(errs, errors.New("S3 has neither a base path nor a token"))
		}
	}
	return errors.Join(errs...)
}

// notInPath reports bytes that end a request's path or cannot be in it.
func notInPath(r rune) bool { return r <= ' ' || r >= 0x7f || r == '?' || r == '#' }
