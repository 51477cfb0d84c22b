package cache

import (
	"fmt"
	"strings"
)

const (
	// MaxComponent is the longest name of one directory entry, in bytes; it is
	// Linux's NAME_MAX.
	MaxComponent = 255
	// MaxName is the longest origin's name that the store takes, in bytes.
	// Longer ones are left out and counted.
	MaxName = 16 << 10

	// escapePrefix begins every component that does not stand for itself.
	escapePrefix = "%%"
)

// SplitName appends to dst the path components under which the mount shows the
// origin's name. Components that a filesystem cannot hold are escaped, so that
// distinct names always have distinct paths and JoinName finds the name again:
//
//	what the origin says               what the mount shows
//	an ordinary component, c           c
//	"", ".", ".."                      %%  %%.  %%..
//	NUL in it                          %% + c with NUL as %00 and % as %25
//	it begins with %%                  the same: %%x is %%%25%25x
//	over 255 bytes                     several levels, each but the last
//	                                   written %% + part + %
//
// The error is ErrName where name is over MaxName bytes.
func SplitName(dst []string, name string) ([]string, error) {
	if len(name) > MaxName {
		return dst, fmt.Errorf("%w: %d bytes long", ErrName, len(name))
	}
	for {
		component, rest, more := strings.Cut(name, "/")
		dst = appendComponent(dst, component)
		if !more {
			return dst, nil
		}
		name = rest
	}
}

// JoinName returns the origin's name that path stands for, the inverse of
// SplitName. It also accepts what OtherForm makes. The error is ErrName.
func JoinName(path []string) (string, error) {
	var b strings.Builder
	continued := true // no slash before the first component
	for _, component := range path {
		if !continued {
			b.WriteByte('/')
		}
		var ok bool
		if continued, ok = decodeComponent(&b, component); !ok {
			return "", fmt.Errorf("%w: %q is not an escape that this program writes", ErrName, component)
		}
	}
	if continued {
		return "", fmt.Errorf("%w: the path ends inside a name", ErrName)
	}
	return b.String(), nil
}

// plain reports whether a component stands for itself.
func plain(c string) bool {
	return c != "" && c != "." && c != ".." && len(c) <= MaxComponent &&
		!strings.HasPrefix(c, escapePrefix) && strings.IndexByte(c, 0) < 0
}

func appendComponent(dst []string, c string) []string {
	for !plain(c) {
		escaped, rest := escapeSome(c)
		dst = append(dst, escaped)
		if rest == "" {
			return dst
		}
		c = rest
	}
	return append(dst, c)
}

// escapeSome escapes as much of c as one component holds and returns what is
// left for the next.
func escapeSome(c string) (escaped, rest string) {
	if whole := escape(c); len(whole) <= MaxComponent {
		return whole, ""
	}
	var b strings.Builder
	b.WriteString(escapePrefix)
	i := 0
	for ; i < len(c); i++ {
		e := escapeByte(c[i])
		if b.Len()+len(e)+1 > MaxComponent { // 1: the mark of continuation
			break
		}
		b.WriteString(e)
	}
	b.WriteByte('%')
	return b.String(), c[i:]
}

// OtherForm returns a second name for the entry called c: that of whichever of
// a file and a directory of one name comes second. It stands for the same
// origin's name. It is "" where it would be over MaxComponent bytes.
//
//	c       %%c
//	%%c     %%%_c
func OtherForm(c string) string {
	if escaped, ok := strings.CutPrefix(c, escapePrefix); ok {
		c = escapePrefix + "%_" + escaped
	} else {
		c = escape(c)
	}
	if len(c) > MaxComponent {
		return ""
	}
	return c
}

// escape returns the escaped form of c, whatever its length.
func escape(c string) string {
	var b strings.Builder
	b.Grow(len(escapePrefix) + len(c))
	b.WriteString(escapePrefix)
	for i := range len(c) {
		b.WriteString(escapeByte(c[i]))
	}
	return b.String()
}

func escapeByte(c byte) string {
	switch c {
	case 0:
		return "%00"
	case '%':
		return "%25"
	}
	return string([]byte{c})
}

func decodeComponent(b *strings.Builder, c string) (continued, ok bool) {
	if !strings.HasPrefix(c, escapePrefix) {
		b.WriteString(c)
		return false, true
	}
	for rest := c[len(escapePrefix):]; ; {
		i := strings.IndexByte(rest, '%')
		if i < 0 {
			b.WriteString(rest)
			return false, true
		}
		b.WriteString(rest[:i])
		rest = rest[i+1:]
		switch {
		case rest == "":
			return true, true
		case strings.HasPrefix(rest, "00"):
			b.WriteByte(0)
			rest = rest[2:]
		case strings.HasPrefix(rest, "25"):
			b.WriteByte('%')
			rest = rest[2:]
		case rest[0] == '_': // see OtherForm
			rest = rest[1:]
		default:
			return false, false
		}
	}
}

// canonical reports whether path is what SplitName makes of some name.
func canonical(path []string) bool {
	name, err := JoinName(path)
	if err != nil {
		return false
	}
	again, err := SplitName(nil, name)
	if err != nil || len(again) != len(path) {
		return false
	}
	for i := range path {
		if path[i] != again[i] {
			return false
		}
	}
	return true
}
