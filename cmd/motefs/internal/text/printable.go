// Package text writes what people read: numbers, sizes, times, and whatever comes from
// elsewhere without what a terminal obeys.
//
// Names, markers and what errors quote are the origin's, OWNER is of whoever may write into
// the store, and a terminal obeys what it is sent. So everything that is printed goes
// through here: no control character of either set (ESC, U+009B), no override of the
// direction of text and no byte that is not UTF-8 comes out.
package text

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Printable is text with everything escaped that strconv.IsPrint does not take for
// printable, but for newlines and tabs. Characters are escaped as JSON does, so
// that JSON stays what it is.
func Printable(text string) string {
	plain := func(r rune) bool { return strconv.IsPrint(r) || r == '\n' || r == '\t' }
	if strings.IndexFunc(text, func(r rune) bool { return r == utf8.RuneError || !plain(r) }) < 0 {
		return text
	}
	var out strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&out, `\x%02x`, text[0])
		case plain(r):
			out.WriteRune(r)
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&out, `\u%04x`, unit)
			}
		}
		text = text[n:]
	}
	return out.String()
}

// OneLine is printable text without newlines, which joined errors have between, and without
// tabs, of which nobody knows the width.
func OneLine(text string) string {
	return Printable(strings.NewReplacer("\n", "; ", "\t", `\u0009`).Replace(text))
}
