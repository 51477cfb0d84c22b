package origin

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// base is the origin's address, taken apart.
type base struct {
	url  *url.URL
	path string // percent-encoded, without a slash at its end
}

// parseBase reports the problems of a base URL, but for those of its host, which
// are wire's to find.
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
	b := &base{url: u}
	path := u.EscapedPath()
	if u.RawPath != "" {
		// EscapedPath takes %2F for a slash where the rest is not well encoded.
		path = cleanTarget(u.RawPath)
	}
	b.path = strings.TrimRight(path, "/")
	var problems []error
	if u.RawQuery != "" || u.ForceQuery {
		problems = append(problems, errors.New("base URL: has a query"))
	}
	if strings.Contains(raw, "#") {
		problems = append(problems, errors.New("base URL: has a fragment"))
	}
	return b, errors.Join(problems...)
}
