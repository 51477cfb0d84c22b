package page

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestShown(t *testing.T) {
	for name, want := range map[string]string{
		"":                   "",
		"plain name.txt":     "plain name.txt",
		"a\nb":               `a|\x0a|b`,
		"\x00\x1b[0m":        `|\x00\x1b|[0m`,
		"\xff\xfe":           `|\xff\xfe|`,
		"é\xc3":              `é|\xc3|`,
		"\u202eabc":          `|\u202e|abc`,
		"a\u200db":           `a|\u200d|b`,
		"\ufffd":             "\ufffd", // the character itself
		"\U000e0041":         `|\U000e0041|`,
		"\u3164":             `|\u3164|`,
		" x ":                `|\x20|x|\x20|`,
		" ":                  `|\x20|`,
		"no\u00a0break":      `no|\u00a0|break`,
		"line\u2028separate": `line|\u2028|separate`,
		`back\slash`:         `back\slash`,
		"שלום":               "שלום",
		"\u0085":             `|\u0085|`,
	} {
		if got := strings.Join(shown(name), "|"); got != want {
			t.Errorf("%q is shown as %q, want %q", name, got, want)
		}
	}
}

// FuzzShown holds what is shown of any name: it can be seen, is all of it, and tells it from
// others by where the escapes stand.
func FuzzShown(f *testing.F) {
	for _, name := range hostileNames {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		s := shown(name)
		rest := name
		for k, part := range s {
			if !utf8.ValidString(part) {
				t.Fatalf("%q: %q is not UTF-8", name, part)
			}
			for _, r := range part {
				if !unicode.IsPrint(r) {
					t.Fatalf("%q: %q has %U", name, part, r)
				}
			}
			if k%2 == 1 {
				if part == "" || !strings.HasPrefix(part, `\`) {
					t.Fatalf("%q: the escape %q", name, part)
				}
				for len(rest) > 0 && part != "" { // as much of the name as the escapes stand for
					r, n := utf8.DecodeRuneInString(rest)
					escape := escapeOf(r, n, rest[0], true)
					if !strings.HasPrefix(part, escape) || escape == "" {
						t.Fatalf("%q: %q is no escape of %q", name, part, rest)
					}
					part, rest = part[len(escape):], rest[n:]
				}
				continue
			}
			var ok bool
			if rest, ok = strings.CutPrefix(rest, part); !ok {
				t.Fatalf("%q: %q does not stand at %q", name, part, rest)
			}
		}
		if rest != "" || len(s)%2 != 1 {
			t.Fatalf("%q: %q leaves %q out", name, s, rest)
		}
		if again, err := nameOf(keyOf(name)); len(name) <= 255 && (err != nil || again != name) {
			t.Fatalf("%q: its key is %q's: %v", name, again, err)
		}
	})
}
