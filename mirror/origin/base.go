package origin

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// base is the origin's address, taken apart.
type base struct {
	url    *url.URL
	secure bool
	addr   string // host:port to dial
	name   string // host for TLS
	host   string // the Host header
	path   string // percent-encoded, without a slash at its end
}

// parseBase reports every problem of a base URL.
func parseBase(raw string) (*base, error) {
	if raw == "" {
		return nil, errors.New("base URL: missing")
	}
	u, err := url.Parse(raw)
	if err != nil {
		// url.Parse quotes the URL, which may hold a password.
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err
		}
		return nil, fmt.Errorf("base URL: %w", err)
	}
	if problems := baseProblems(u, raw); len(problems) > 0 {
		return nil, fmt.Errorf("base URL: %w", errors.Join(problems...))
	}
	b := &base{url: u, secure: u.Scheme == "https", host: u.Host}
	path := u.EscapedPath()
	if u.RawPath != "" {
		// EscapedPath takes %2F for a slash where the rest is not well encoded.
		path = cleanTarget(u.RawPath)
	}
	b.path = strings.TrimRight(path, "/")
	b.name, _, _ = strings.Cut(u.Hostname(), "%")
	if b.name != u.Hostname() {
		// A zone is of this machine only (RFC 6874 section 4).
		b.host = "[" + b.name + "]"
		if u.Port() != "" {
			b.host += ":" + u.Port()
		}
	}
	b.addr = net.JoinHostPort(u.Hostname(), portOf(u))
	return b, nil
}

func baseProblems(u *url.URL, raw string) (problems []error) {
	if u.Scheme != "http" && u.Scheme != "https" {
		problems = append(problems, fmt.Errorf("scheme %q: neither http nor https", u.Scheme))
	}
	if u.Hostname() == "" {
		problems = append(problems, errors.New("no host"))
	}
	for _, c := range u.Host {
		if c <= ' ' || c >= 0x7f {
			problems = append(problems, fmt.Errorf("host %q: not plain ASCII; write it in Punycode", u.Host))
			break
		}
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			problems = append(problems, fmt.Errorf("port %q: not within 1 to 65535", port))
		}
	}
	if u.User != nil {
		problems = append(problems, errors.New("has user-info; use a header instead"))
	}
	if u.RawQuery != "" || u.ForceQuery {
		problems = append(problems, errors.New("has a query"))
	}
	if strings.Contains(raw, "#") {
		problems = append(problems, errors.New("has a fragment"))
	}
	return problems
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	default:
		return "80"
	}
}
