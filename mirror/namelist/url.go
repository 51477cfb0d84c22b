package namelist

import (
	"bytes"
	"strings"
)

// urls knows which URLs are those of the origin's files.
type urls struct {
	files string // what they begin with
	site  string // of that, scheme and host
	path  string // and the rest
}

func newURLs(files string) urls {
	scheme, rest, _ := strings.Cut(files, "://")
	host, path, _ := strings.Cut(rest, "/")
	return urls{files, scheme + "://" + host, "/" + path}
}

// isURL reports whether a line is a URL: it begins with a scheme (RFC 3986 section 3.1)
// and "://".
func isURL(line []byte) bool {
	i := bytes.Index(line, []byte("://"))
	if i <= 0 || !isLetter(line[0]) {
		return false
	}
	for _, c := range line[1:i] {
		if !isLetter(c) && (c < '0' || c > '9') && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// name appends the name of the file that a URL stands for, or says why it has none.
func (u *urls) name(dst, url []byte) ([]byte, error) {
	rest, ok := bytes.CutPrefix(url, []byte(u.files))
	if !ok {
		path, err := u.pathOf(url)
		if err != nil {
			return dst, err
		}
		if rest, ok = bytes.CutPrefix(path, []byte(u.path)); !ok {
			return dst, errBelow
		}
	}
	return unescape(dst, rest)
}

// pathOf is the path of a URL, and what follows, if the URL is one of this site.
func (u *urls) pathOf(url []byte) ([]byte, error) {
	i := bytes.Index(url, []byte("://"))
	scheme, rest := strings.ToLower(string(url[:i])), url[i+len("://"):]
	end := bytes.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host := strings.ToLower(string(rest[:end]))
	switch scheme {
	case "http":
		host = strings.TrimSuffix(host, ":80")
	case "https":
		host = strings.TrimSuffix(host, ":443")
	default:
		return nil, errScheme
	}
	if strings.Contains(host, "@") {
		return nil, errUserInfo
	}
	if scheme+"://"+strings.TrimSuffix(host, ":") != u.site {
		return nil, errHost
	}
	return rest[end:], nil
}

// unescape undoes the percent-encoding of a path, if its encoding by a client stands for
// the same.
func unescape(dst, path []byte) ([]byte, error) {
	for {
		component, rest, more := bytes.Cut(path, []byte("/"))
		from := len(dst)
		for i := 0; i < len(component); i++ {
			c := component[i]
			switch c {
			case '?':
				return dst, errQuery
			case '#':
				return dst, errFragment
			case '%':
				if c, _ = hexByte(component[i+1:]); c == '/' {
					return dst, errSlash
				}
				if _, ok := hexByte(component[i+1:]); !ok {
					return dst, errEscape
				}
				i += 2
			}
			dst = append(dst, c)
		}
		if name := string(dst[from:]); (name == "." || name == "..") && bytes.IndexByte(component, '.') >= 0 {
			return dst, errDots
		}
		if !more {
			return dst, nil
		}
		dst, path = append(dst, '/'), rest
	}
}

// hexByte is the byte that two digits stand for.
func hexByte(digits []byte) (byte, bool) {
	if len(digits) < 2 {
		return 0, false
	}
	high, low := unhex(digits[0]), unhex(digits[1])
	return byte(high<<4 | low), high >= 0 && low >= 0
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// withoutSecrets is as much of a line as can be shown: of a URL neither the query, in
// which storage services put signatures, nor user-info.
func withoutSecrets(line []byte) string {
	const most = 200
	text := string(line[:min(len(line), most)])
	if isURL(line) {
		var query bool
		if text, _, query = strings.Cut(text, "?"); query {
			text += "?…"
		}
		if at := strings.LastIndexByte(text, '@'); at >= 0 {
			text = text[:strings.Index(text, "://")+len("://")] + "…" + text[at:]
		}
	}
	if len(line) > most {
		text += "…"
	}
	return text
}
