package wording

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// NotURL says why raw is no URL of an origin, and what one looks like. It is called for
// what has neither user-info nor a query nor a fragment.
func NotURL(raw string) error {
	text, advice := "it is not a URL", "give one such as http://host:port, https://host/path or s3://bucket/prefix"
	u, err := url.Parse(raw)
	scheme, rest, hasScheme := strings.Cut(raw, "://")
	switch {
	case raw == "":
		return fmt.Errorf("the origin is empty: %s", advice)
	case strings.HasPrefix(raw, "/") || strings.HasPrefix(raw, "."):
		text, advice = "it is a path, and an origin is a URL", "a directory becomes one with: motefs serve DIR"
	case strings.HasPrefix(strings.ToLower(raw), "s3:"):
		text, advice = "a bucket is written with two slashes", "give s3://"+strings.TrimLeft(raw[len("s3:"):], "/")
	case !hasScheme && looksLikeHost(raw):
		text, advice = "the scheme is missing", fmt.Sprintf("give http://%s or https://%s", raw, raw)
	case !hasScheme:
	case strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		text = "it has a space or a control character, which are written as %20 and the like"
	case err != nil && strings.Contains(rest, "[") != strings.Contains(rest, "]"):
		text, advice = "a bracket is missing", "an address of IPv6 is written as in http://[::1]:8080"
	case badPort(rest):
		text = "its port is no number from 1 to 65535"
	case err != nil:
		if escape, ok := errors.AsType[url.EscapeError](err); ok {
			text = fmt.Sprintf("%q is no character: a percent sign is written %%25", string(escape))
		}
	case strings.EqualFold(scheme, "gs"):
		text, advice = "Google Cloud Storage is reached as S3", "give s3://"+rest+" --endpoint-url https://storage.googleapis.com"
	case u.Scheme != "http" && u.Scheme != "https":
		text = fmt.Sprintf("the scheme %s is not known", scheme)
	case u.Hostname() == "":
		text = "it has no host"
	}
	return fmt.Errorf("origin %q: %s; %s", raw, text, advice)
}

// badPort reports whether what follows the host, up to the path, is a colon and no port.
func badPort(rest string) bool {
	host, _, _ := strings.Cut(rest, "/")
	i := strings.LastIndexByte(host, ':')
	if i < 0 || strings.Contains(host[i:], "]") {
		return false
	}
	n, err := strconv.ParseUint(host[i+1:], 10, 16)
	return err != nil || n == 0
}

// looksLikeHost reports whether raw is a URL but for its scheme.
func looksLikeHost(raw string) bool {
	u, err := url.Parse("http://" + raw)
	return err == nil && (u.Port() != "" || strings.Contains(u.Hostname(), ".") || u.Hostname() == "localhost")
}
