package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	// defaultMaxFileSize keeps one absurd Content-Length from filling a disk.
	defaultMaxFileSize = 16 << 30
	// defaultInlineLimit is the store's limit for content beside its entry.
	defaultInlineLimit = 64 << 10
	defaultUserAgent   = "motefs"
)

// Options say how a server is reached and how much of it is believed. The zero
// value of every field but URL works.
type Options struct {
	// URL is the server: its scheme (http or https), host and port. What else
	// it has is the caller's.
	URL *url.URL
	// Header is sent with every request, to this server alone. Default: none.
	Header http.Header
	// Sign appends the header fields, each with its CRLF, by which a request for a
	// target shows who makes it. It is called for every request, guards included, by
	// any goroutine, and is to allocate nothing. Default: none.
	Sign func(dst, target []byte) []byte
	// Sum, where it is not nil, says what the body of a 200 of Get comes to: it appends
	// the sum to dst, and returns of which algorithm that is, nil where the response's
	// fields do not say. They are valid until Sum returns. A body that comes to another
	// sum is no answer: ErrChecksum. Sum is called by any goroutine, and is to allocate
	// nothing. Default: no body is checked.
	Sum func(dst []byte, fields *Fields) ([]byte, *Algorithm)
	// UserAgent is the header of that name. Default: "motefs".
	UserAgent string
	// MaxFileSize is the length in bytes above which the body of a get is
	// refused with ErrTooLarge. Default: 16 GiB.
	MaxFileSize int64
	// InlineLimit is the length in bytes up to which a body is handed out in
	// one piece; a longer one is a stream. Every connection may hold a buffer of
	// this length. Default: 64 KiB.
	InlineLimit int
	// TLS is the configuration for https. ServerName (the URL's host, where
	// empty) and NextProtos (http/1.1) are set by New. Default: the system's
	// roots.
	TLS *tls.Config
	// Dial opens connections; it must return when its context ends. Default:
	// a net.Dialer. It connects to the proxy where there is one.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Proxy returns the proxy for the server's URL, nil for none; New calls it
	// once. The proxy is http://host:port, with user-info where it wants some.
	// Default: HTTP_PROXY, HTTPS_PROXY and NO_PROXY of the environment, as
	// http.ProxyFromEnvironment reads them.
	Proxy func(*url.URL) (*url.URL, error)
	// Pipeline is how many gets may be on their way on a connection before the
	// first of them is answered: 1 is one at a time, more is at most that many. 0
	// is a whole round, once a probe has shown that the server answers it
	// rightly; one at a time before that, where it does not, and through a proxy
	// for http. Default: 0.
	Pipeline int
	// OnPipelineOff is told, at most once, why Pipeline 0 has become one at a
	// time. It is called by a goroutine that is in Get. Default: nothing.
	OnPipelineOff func(reason string)
	// Absent is the target of something that is not there. It is asked for only
	// where the first files are all alike, so that none of them can serve to
	// tell answers apart. Default: "/.motefs-absent".
	Absent string
	// Timeouts bound what the server may take. Default: DefaultTimeouts.
	Timeouts Timeouts
	// Traffic counts the requests. Default: the client's own, which nobody reads.
	Traffic *Traffic
}

// Timeouts are the client's bounds on time.
type Timeouts struct {
	Dial      time.Duration // to a connection
	Handshake time.Duration // to a TLS session on it
	Idle      time.Duration // without a byte while a response is owed
	Response  time.Duration // to a whole response, and
	MinRate   int64         // bytes a second more than that
	Keep      time.Duration // of an unused connection in the pool
	Age       time.Duration // after which a connection is not used for another round
	Join      time.Duration // to the writer's return once all is answered
	Probe     time.Duration // of a probe, beside what its files took by themselves
	Round     time.Duration // that a round should take at most, so that its files get committed
}

// DefaultTimeouts is what a client has where its Options say nothing.
var DefaultTimeouts = Timeouts{
	Dial:      10 * time.Second,
	Handshake: 10 * time.Second,
	Idle:      30 * time.Second,
	Response:  30 * time.Second,
	MinRate:   16 << 10,
	// A few seconds less than nginx's keepalive_timeout of 75 s, so that it is
	// mostly this side that closes.
	Keep: 70 * time.Second,
	// Behind a balancer a connection stays with one backend. This is how long a
	// bad one keeps its share.
	Age: 2 * time.Minute,
	// By then everything is in the socket's buffer, unless the server answered
	// requests that it did not read.
	Join:  time.Second,
	Probe: 5 * time.Second,
	Round: 2 * time.Second,
}

// EnsureDefaults fills every unset field with its default.
func (o *Options) EnsureDefaults() {
	if o.UserAgent == "" {
		o.UserAgent = defaultUserAgent
	}
	if o.MaxFileSize == 0 {
		o.MaxFileSize = defaultMaxFileSize
	}
	if o.InlineLimit == 0 {
		o.InlineLimit = int(min(defaultInlineLimit, o.MaxFileSize))
	}
	if o.Proxy == nil {
		o.Proxy = proxyFromEnvironment
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.Absent == "" {
		o.Absent = "/.motefs-absent"
	}
	if o.Timeouts == (Timeouts{}) {
		o.Timeouts = DefaultTimeouts
	}
	if o.Traffic == nil {
		o.Traffic = new(Traffic)
	}
}

// Validate reports every problem of options that have their defaults.
func (o *Options) Validate() error {
	problems := addressProblems(o.URL)
	if !validValue(o.UserAgent) {
		problems = append(problems, errors.New("user agent: control character"))
	}
	problems = append(problems, validateHeader(o.Header)...)
	if o.MaxFileSize < 0 {
		problems = append(problems, fmt.Errorf("max file size %d: negative", o.MaxFileSize))
	}
	if o.InlineLimit < 0 {
		problems = append(problems, fmt.Errorf("inline limit %d: negative", o.InlineLimit))
	}
	if o.MaxFileSize >= 0 && int64(o.InlineLimit) > o.MaxFileSize {
		problems = append(problems, fmt.Errorf("inline limit %d: above the max file size %d", o.InlineLimit, o.MaxFileSize))
	}
	if o.Pipeline < 0 {
		problems = append(problems, fmt.Errorf("pipeline %d: negative", o.Pipeline))
	}
	return errors.Join(problems...)
}

// ownHeaders are those that the client sets, or that would change the framing
// or the meaning of a response.
var ownHeaders = []string{
	"Accept-Encoding", "Connection", "Content-Length", "Expect", "Host", "If-Match", "If-Modified-Since",
	"If-None-Match", "If-Range", "If-Unmodified-Since", "Keep-Alive", "Proxy-Connection", "Range", "Te",
	"Trailer", "Transfer-Encoding", "Upgrade", "User-Agent",
}

// validateHeader names keys but never values, which may be secrets. Nor does it show
// what is no key: that may have a value in it.
func validateHeader(header http.Header) (problems []error) {
	for key, values := range header {
		switch {
		case !validKey(key):
			problems = append(problems, errors.New("header: a name that is not one (not shown: a value may be in it)"))
			continue
		case slices.Contains(ownHeaders, http.CanonicalHeaderKey(key)):
			problems = append(problems, fmt.Errorf("header %q: set by the client itself", key))
		}
		if !slices.ContainsFunc(values, func(v string) bool { return !validValue(v) }) {
			continue
		}
		problems = append(problems, fmt.Errorf("header %q: control character in its value", key))
	}
	return problems
}

// validKey is RFC 9110's token.
func validKey(key string) bool {
	for i := range len(key) {
		c := key[i]
		if !isAlnum(c) && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return key != ""
}

func isAlnum(c byte) bool { return c-'0' < 10 || c|0x20 >= 'a' && c|0x20 <= 'z' }

func validValue(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
