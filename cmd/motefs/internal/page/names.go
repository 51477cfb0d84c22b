package page

import (
	"encoding/base64"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// shownName is a name that can be shown: pieces of it as they are, and between them,
// at odd places, escapes for what cannot be seen or changes how the rest is shown:
// bytes that are not UTF-8 (\xff), control and format characters (\u202e), spaces other
// than U+0020, and that one where it stands first or last.
type shownName []string

// shown makes a name that can be shown.
func shown(name string) shownName {
	s := shownName{""}
	for i := 0; i < len(name); {
		r, n := utf8.DecodeRuneInString(name[i:])
		edge := i == 0 || i+n == len(name)
		if escape := escapeOf(r, n, name[i], edge); escape == "" {
			s[len(s)-1] += name[i : i+n]
		} else if last := len(s) - 1; last > 0 && s[last] == "" {
			s[last-1] += escape
		} else {
			s = append(s, escape, "")
		}
		i += n
	}
	return s
}

func escapeOf(r rune, n int, first byte, edge bool) string {
	switch {
	case r == utf8.RuneError && n <= 1, r < ' ', r == 0x7f, r == ' ' && edge:
		return fmt.Sprintf(`\x%02x`, first)
	case unicode.IsPrint(r) && !blank(r):
		return ""
	case r <= 0xffff:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}

// blank reports letters and symbols without a shape.
func blank(r rune) bool {
	switch r {
	case 0x115f, 0x1160, 0x3164, 0xffa0, 0x2800:
		return true
	}
	return false
}

// keyOf is the key of a name, and nameOf the name of a key.
func keyOf(name string) string { return base64.RawURLEncoding.EncodeToString([]byte(name)) }

// maxKey is the longest key of a name that the store has, and one byte more.
const maxKey = 344

func nameOf(key string) (string, error) {
	if len(key) > maxKey {
		return "", fmt.Errorf("%w: the key of a name is too long", errRequest)
	}
	name, err := base64.RawURLEncoding.DecodeString(key)
	if err != nil {
		return "", fmt.Errorf("%w: the key of a name: %w", errRequest, err)
	}
	return string(name), nil
}
