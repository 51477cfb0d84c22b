package origin

import (
	"maps"
	"net/http"
	"slices"
)

const upperHex = "0123456789ABCDEF"

// plain says which bytes of a name stand for themselves: the unreserved ones
// of RFC 3986 section 2.3, and the slash.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = isAlnum(byte(c)) || c == '-' || c == '.' || c == '_' || c == '~' || c == '/'
	}
	return t
}()

func isAlnum(c byte) bool {
	return c-'0' < 10 || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// appendName percent-encodes a name. Components that are "." or ".." have
// their dots encoded too, as those are resolved on the way where they stand
// plain (RFC 3986 section 5.2.4).
func appendName(dst []byte, name string) []byte {
	for i := range len(name) {
		if !plain[name[i]] || name[i] == '.' && (i == 0 || name[i-1] == '/') {
			return appendOddName(dst, name)
		}
	}
	return append(dst, name...)
}

func appendOddName(dst []byte, name string) []byte {
	start := 0
	for i := 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '/' {
			continue
		}
		part := name[start:i]
		dots := part == "." || part == ".."
		for j := range len(part) {
			if c := part[j]; plain[c] && !dots {
				dst = append(dst, c)
			} else {
				dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
			}
		}
		if i < len(name) {
			dst = append(dst, '/')
		}
		start = i + 1
	}
	return dst
}

// appendMarker percent-encodes a marker for use in a query.
func appendMarker(dst []byte, marker string) []byte {
	for i := range len(marker) {
		if c := marker[i]; plain[c] && c != '/' {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

// requestTail is what follows the target in every request.
func (c *Client) requestTail() []byte {
	tail := []byte(" HTTP/1.1\r\nHost: " + c.base.host + "\r\nUser-Agent: " + c.o.UserAgent +
		// Without this any coding would do (RFC 9110 section 12.5.3).
		"\r\nAccept-Encoding: identity\r\n")
	if c.viaHTTP() && c.proxy.auth != "" {
		tail = append(tail, "Proxy-Authorization: "+c.proxy.auth+"\r\n"...)
	}
	for _, key := range slices.Sorted(maps.Keys(c.o.Header)) {
		for _, value := range c.o.Header[key] {
			tail = append(tail, http.CanonicalHeaderKey(key)+": "+value+"\r\n"...)
		}
	}
	return append(tail, "\r\n"...)
}

// appendTarget appends the target of the request for a name.
func (c *Client) appendTarget(dst []byte, name string) []byte {
	dst = append(dst, c.base.path+"/get/"...)
	return appendName(dst, name)
}

// appendGet appends the whole request for a name.
func (c *Client) appendGet(dst []byte, name string) []byte {
	dst = append(dst, c.getPrefix...)
	dst = appendName(dst, name)
	return append(dst, c.tail...)
}

// appendRequest appends the whole request for an encoded target, with these
// header fields besides the usual ones.
func (c *Client) appendRequest(dst []byte, target string, fields []byte) []byte {
	dst = append(dst, c.prefix...)
	dst = append(dst, target...)
	dst = append(dst, c.tail[:len(c.tail)-len("\r\n")]...)
	dst = append(dst, fields...)
	return append(dst, "\r\n"...)
}
