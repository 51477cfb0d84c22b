package wire

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// address is a server's URL, taken apart.
type address struct {
	secure bool
	dial   string // host:port to connect to
	name   string // host for TLS
	host   string // the Host header
}

func newAddress(u *url.URL) address {
	a := address{secure: u.Scheme == "https", host: u.Host}
	a.name, _, _ = strings.Cut(u.Hostname(), "%")
	if a.name != u.Hostname() {
		// A zone is of this machine only (RFC 6874 section 4).
		a.host = "[" + a.name + "]"
		if u.Port() != "" {
			a.host += ":" + u.Port()
		}
	}
	a.dial = net.JoinHostPort(u.Hostname(), PortOf(u))
	return a
}

// addressProblems reports what keeps u from being a server's URL.
func addressProblems(u *url.URL) (problems []error) {
	if u == nil {
		return []error{errors.New("URL: missing")}
	}
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
	if port := u.Port(); !ValidPort(port) {
		problems = append(problems, fmt.Errorf("port %q: not within 1 to 65535", port))
	}
	if u.User != nil {
		problems = append(problems, errors.New("has user-info; use a header instead"))
	}
	return problems
}

// PortOf is the port of a URL, or that of its scheme.
func PortOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	default:
		return "80"
	}
}

// ValidPort reports whether the port of a URL is one, or left out.
func ValidPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}
