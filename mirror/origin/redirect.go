package origin

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire"
	"github.com/motefs/motefs/mirror/wire/files"
)

// maxHops bounds the redirects that are followed for one request.
const maxHops = 5

// redirect resolves the Location of a redirect that answers a request for target.
// It is followed only to the same host, and to a path that ends in one of ends, as
// the one that was asked for: anything else, say /login, is another resource, whose
// content is not the file's; and not after maxHops others.
func (b *base) redirect(status int, location, target string, hops int, ends ...string) (string, error) {
	if location == "" {
		return "", fmt.Errorf("%w: status %d without a Location", mirror.ErrRedirect, status)
	}
	refuse := func(why string) (string, error) {
		return "", fmt.Errorf("%w: status %d to %q: %s", mirror.ErrRedirect, status, withoutSecrets(location), why)
	}
	from, err := url.Parse(b.url.Scheme + "://" + b.url.Host + target)
	if err != nil {
		return refuse("its base is no URL")
	}
	to, err := from.Parse(location)
	switch {
	case err != nil:
		return refuse("no URL")
	case to.Scheme != b.url.Scheme || to.Hostname() != b.url.Hostname() || wire.PortOf(to) != wire.PortOf(b.url):
		return refuse("another host")
	case to.User != nil:
		return refuse("it has user-info")
	case !slices.ContainsFunc(ends, func(end string) bool { return strings.HasSuffix(to.Path, "/"+end) }):
		return refuse("another resource")
	}
	next := cleanTarget(to.RequestURI())
	if hops == maxHops {
		return "", fmt.Errorf("%w: more than %d in a row, the last to %q", mirror.ErrRedirect, maxHops, withoutSecrets(next))
	}
	return next, nil
}

// redirectFile is redirect for a file; see files.Getter.
func (b *base) redirectFile(status int, location, target, name string, hops int) (string, error) {
	return b.redirect(status, location, target, hops, name)
}

// withoutSecrets is as much of a location as can be shown and stored: neither its
// query, in which storage services put signatures, nor user-info.
func withoutSecrets(location string) string {
	location, query, hasQuery := strings.Cut(location, "?")
	if at := strings.LastIndex(location, "@"); at >= 0 {
		scheme, _, ok := strings.Cut(location[:at], "//")
		if !ok || strings.Contains(scheme, "@") {
			scheme = "" // it is none, and may be a name and a password
		}
		location = scheme + "//…@" + location[at+1:]
	}
	location = wire.Clip(location)
	if hasQuery && query != "" {
		location += "?…"
	}
	return location
}

// cleanTarget encodes what would end a request line early. url.Parse lets it
// stand in a query.
func cleanTarget(target string) string {
	var out []byte
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c >= 0x7f {
			out = append(out, '%', files.UpperHex[c>>4], files.UpperHex[c&15])
		} else {
			out = append(out, c)
		}
	}
	return string(out)
}
