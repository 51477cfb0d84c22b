package origin

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
	// defaultMaxPageBytes is a page of 100,000 names of 600 bytes.
	defaultMaxPageBytes = 64 << 20
	defaultUserAgent    = "motefs"
)

// Options says where the origin is and how much of it is believed. The zero
// value of every field but BaseURL works.
type Options struct {
	// BaseURL is the origin: http or https, host, optional port and path.
	// Pages are at BaseURL/list and files at BaseURL/get/. It has neither
	// user-info nor query nor fragment.
	BaseURL string
	// Header is sent with every request, to this origin alone. Default: none.
	Header http.Header
	// UserAgent is the header of that name. Default: "motefs".
	UserAgent string
	// MaxFileSize is the length in bytes above which a file is refused with
	// ErrTooLarge. Default: 16 GiB.
	MaxFileSize int64
	// InlineLimit is the length in bytes up to which content is handed out as
	// Object.Body; longer content is an Object.Stream. Every connection may
	// hold a buffer of this length. Default: 64 KiB.
	InlineLimit int
	// MaxPageBytes is the length in bytes above which a page of the listing
	// is refused. Default: 64 MiB.
	MaxPageBytes int64
	// TLS is the configuration for https. ServerName (the URL's host, where
	// empty) and NextProtos (http/1.1) are set by New. Default: the system's
	// roots.
	TLS *tls.Config
	// Dial opens connections; it must return when its context ends. Default:
	// a net.Dialer. It connects to the proxy where there is one.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Proxy returns the proxy for the origin's URL, nil for none; New calls it
	// once. The proxy is http://host:port, with user-info where it wants some.
	// Default: HTTP_PROXY, HTTPS_PROXY and NO_PROXY of the environment, as
	// http.ProxyFromEnvironment reads them.
	Proxy func(*url.URL) (*url.URL, error)
	// Pipeline is how many gets are written on a connection before the first
	// of them is answered: 1 is one at a time, more is at most that many. 0
	// is a whole batch, once a probe has shown that the origin answers it
	// rightly, which costs ProbeGets; one at a time before that, where it does
	// not, and through a proxy for http. Default: 0.
	Pipeline int
	// OnPipelineOff is told, at most once, why Pipeline 0 has become one at a
	// time. It is called by a goroutine that is in Fetch. Default: nothing.
	OnPipelineOff func(reason string)

	// timing is the table of timeouts; tests set short ones.
	timing timing
}

// timing is every timeout of the package.
type timing struct {
	dial      time.Duration // to a connection
	handshake time.Duration // to a TLS session on it
	idle      time.Duration // without a byte while an answer is owed
	answer    time.Duration // to a whole answer, and
	minRate   int64         // bytes a second more than that
	keep      time.Duration // of an unused connection in the pool
	join      time.Duration // to the writer's return once all is answered
	probe     time.Duration // of a probe, beside what its files took by themselves
}

var defaultTiming = timing{
	dial:      10 * time.Second,
	handshake: 10 * time.Second,
	idle:      30 * time.Second,
	answer:    30 * time.Second,
	minRate:   16 << 10,
	// A few seconds less than nginx's keepalive_timeout of 75 s, so that it is
	// mostly this side that closes.
	keep: 70 * time.Second,
	// By then everything is in the socket's buffer, unless the origin answered
	// requests that it did not read.
	join:  time.Second,
	probe: 5 * time.Second,
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
	if o.MaxPageBytes == 0 {
		o.MaxPageBytes = defaultMaxPageBytes
	}
	if o.Proxy == nil {
		o.Proxy = proxyFromEnvironment
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.timing == (timing{}) {
		o.timing = defaultTiming
	}
}

// Validate reports every problem of options that have their defaults.
func (o *Options) Validate() error {
	var problems []error
	if _, err := parseBase(o.BaseURL); err != nil {
		problems = append(problems, err)
	}
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
	if o.MaxPageBytes < 0 {
		problems = append(problems, fmt.Errorf("max page bytes %d: negative", o.MaxPageBytes))
	}
	if o.Pipeline < 0 {
		problems = append(problems, fmt.Errorf("pipeline %d: negative", o.Pipeline))
	}
	return errors.Join(problems...)
}

// ownHeaders are those that the client sets, or that would change the framing
// or the meaning of an answer.
var ownHeaders = []string{
	"Accept-Encoding", "Connection", "Content-Length", "Expect", "Host", "If-Match", "If-Modified-Since",
	"If-None-Match", "If-Range", "If-Unmodified-Since", "Keep-Alive", "Proxy-Connection", "Range", "Te",
	"Trailer", "Transfer-Encoding", "Upgrade", "User-Agent",
}

// validateHeader names keys but never values, which may be secrets.
func validateHeader(header http.Header) (problems []error) {
	for key, values := range header {
		switch {
		case !validKey(key):
			problems = append(problems, fmt.Errorf("header %q: not a header name", key))
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

func validValue(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
