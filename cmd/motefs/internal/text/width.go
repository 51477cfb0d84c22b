package text

import (
	"strings"
	"unicode"
)

// Width is how many columns printable text takes: wide characters of East Asia take two and
// combining ones none. Where terminals disagree it is the larger number, so that nothing
// that fits by it wraps.
func Width(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// wideSymbols are those among narrow ones that take two columns: East_Asian_Width W of
// Unicode 16, from U+231A to U+2B55.
var wideSymbols = &unicode.RangeTable{R16: []unicode.Range16{
	{0x231a, 0x231b, 1}, {0x2329, 0x232a, 1}, {0x23e9, 0x23ec, 1}, {0x23f0, 0x23f3, 3}, {0x25fd, 0x25fe, 1},
	{0x2614, 0x2615, 1}, {0x2630, 0x2637, 1}, {0x2648, 0x2653, 1}, {0x267f, 0x267f, 1}, {0x268a, 0x268f, 1},
	{0x2693, 0x2693, 1}, {0x26a1, 0x26a1, 1}, {0x26aa, 0x26ab, 1}, {0x26bd, 0x26be, 1}, {0x26c4, 0x26c5, 1},
	{0x26ce, 0x26ce, 1}, {0x26d4, 0x26d4, 1}, {0x26ea, 0x26ea, 1}, {0x26f2, 0x26f3, 1}, {0x26f5, 0x26f5, 1},
	{0x26fa, 0x26fa, 1}, {0x26fd, 0x26fd, 1}, {0x2705, 0x2705, 1}, {0x270a, 0x270b, 1}, {0x2728, 0x2728, 1},
	{0x274c, 0x274c, 1}, {0x274e, 0x274e, 1}, {0x2753, 0x2755, 1}, {0x2757, 0x2757, 1}, {0x2795, 0x2797, 1},
	{0x27b0, 0x27b0, 1}, {0x27bf, 0x27bf, 1}, {0x2b1b, 0x2b1c, 1}, {0x2b50, 0x2b50, 1}, {0x2b55, 0x2b55, 1},
}}

func runeWidth(r rune) int {
	switch {
	case r < 0x1100:
		if unicode.In(r, unicode.Mn, unicode.Me) {
			return 0
		}
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case r >= 0x231a && r <= 0x2b55 && unicode.Is(wideSymbols, r):
		return 2
	case r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff,
		r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6, r >= 0x1f000 && r <= 0x1ffff, r >= 0x20000 && r <= 0x3fffd:
		return 2
	}
	return 1
}

// Cut is as much of printable text as takes so many columns, with … for what is left out.
func Cut(s string, columns int) string {
	if Width(s) <= columns {
		return s
	}
	if columns < 1 {
		return ""
	}
	var out strings.Builder
	left := columns - 1
	for _, r := range s {
		w := runeWidth(r)
		if w > left {
			break
		}
		left -= w
		out.WriteRune(r)
	}
	return out.String() + "…"
}

// Wrap lays words out in lines of so many columns, two spaces between words; a word that is
// longer than a line is broken.
func Wrap(words []string, columns int) []string {
	columns = max(columns, 2)
	var lines []string
	line := ""
	for _, word := range words {
		if word == "" {
			continue
		}
		if line != "" && Width(line)+2+Width(word) <= columns {
			line += "  " + word
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		for Width(word) > columns {
			head := head(word, columns)
			lines, word = append(lines, strings.TrimRight(head, " ")), word[len(head):]
		}
		line = word
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// head is the longest beginning of s in so many columns, at least 2, without an ellipsis. It
// ends at a space where there is one.
func head(s string, columns int) string {
	n, space := 0, 0
	for i, r := range s {
		if n += runeWidth(r); n > columns {
			if space > 0 {
				return s[:space]
			}
			return s[:i]
		}
		if r == ' ' {
			space = i + 1
		}
	}
	return s
}
