package serve

import "bytes"

// route is what a request asks for.
type route uint8

const (
	routeNone route = iota
	routeList
	routeGet
)

var (
	schemeSep   = []byte("://")
	markerParam = []byte("next-marker")
)

// parseTarget splits a raw request target into the route and its argument: the
// still encoded name of a get, the query of a list. fasthttp's own path is of
// no use here, for it removes "//" and "..".
func parseTarget(target []byte, base string) (route, []byte) {
	if len(target) > 0 && target[0] != '/' {
		target = originForm(target)
	}
	if len(target) < len(base) || string(target[:len(base)]) != base {
		return routeNone, nil
	}
	target = target[len(base):]
	if len(target) >= 5 && string(target[:5]) == "/get/" {
		name := target[5:]
		if i := bytes.IndexByte(name, '?'); i >= 0 {
			name = name[:i]
		}
		return routeGet, name
	}
	path, query, _ := bytes.Cut(target, []byte{'?'})
	if string(path) == "/list" {
		return routeList, query
	}
	return routeNone, nil
}

// originForm takes scheme and host from a target of the absolute form, RFC
// 9112 section 3.2.2.
func originForm(target []byte) []byte {
	i := bytes.Index(target, schemeSep)
	if i < 0 {
		return target
	}
	rest := target[i+len(schemeSep):]
	if i = bytes.IndexByte(rest, '/'); i < 0 {
		return nil
	}
	return rest[i:]
}

// queryMarker returns the still encoded marker of a list request's query.
func queryMarker(query []byte) []byte {
	for len(query) > 0 {
		var param []byte
		param, query, _ = bytes.Cut(query, []byte{'&'})
		if key, value, _ := bytes.Cut(param, []byte{'='}); bytes.Equal(key, markerParam) {
			return value
		}
	}
	return nil
}

// appendDecoded appends src with its percent-encoding taken off, and reports
// whether the encoding was right.
func appendDecoded(dst, src []byte) ([]byte, bool) {
	for {
		i := bytes.IndexByte(src, '%')
		if i < 0 {
			return append(dst, src...), true
		}
		if len(src) < i+3 {
			return dst, false
		}
		hi, lo := unhex[src[i+1]], unhex[src[i+2]]
		if hi > 15 || lo > 15 {
			return dst, false
		}
		dst = append(dst, src[:i]...)
		dst = append(dst, hi<<4|lo)
		src = src[i+3:]
	}
}

// unhex is the value of a hexadecimal digit, 255 for any other byte.
var unhex = func() (t [256]byte) {
	for b := range t {
		switch {
		case '0' <= b && b <= '9':
			t[b] = byte(b - '0')
		case 'a' <= b && b <= 'f':
			t[b] = byte(b - 'a' + 10)
		case 'A' <= b && b <= 'F':
			t[b] = byte(b - 'A' + 10)
		default:
			t[b] = 255
		}
	}
	return t
}()
