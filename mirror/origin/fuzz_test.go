package origin

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/motefs/motefs/mirror"
)

// FuzzRedirect follows any Location. What is then asked for is one request line, to
// the same host, for a resource of the same name; and what an error shows has neither
// the query nor the user-info.
func FuzzRedirect(f *testing.F) {
	for _, location := range []string{
		"", "/get/a", "a", "//other/a", "http://example.invalid/x/a", "http://example.invalid:80/x/a?q=s", "http://u:p@example.invalid/a",
		`/\host/a`, "/x y/a", "/login", "?a", "#a", "/a\r\nX: y", "/%2e%2e/a", "https://example.invalid/a", "u:p@example.invalid/a", "u@p//q@example.invalid/a",
		"http://example.invalid:8080/a",
	} {
		f.Add(location)
	}
	b, err := parseBase("http://example.invalid/files")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, location string) {
		target, err := b.redirect(302, location, "/files/get/a", 0, "a")
		if err != nil {
			if !errors.Is(err, mirror.ErrRedirect) {
				t.Fatal(err)
			}
			shown := withoutSecrets(location)
			if strings.Contains(strings.TrimSuffix(shown, "?…"), "?") || strings.Count(shown, "@") != strings.Count(shown, "//…@") {
				t.Fatalf("of %q is shown %q", location, shown)
			}
			return
		}
		if strings.ContainsFunc(target, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			t.Fatalf("%q leads to %q", location, target)
		}
		u, err := url.ParseRequestURI(target)
		if err != nil || u.Host != "" && u.Host != "example.invalid" || !strings.HasSuffix(u.Path, "/a") {
			t.Fatalf("%q leads to %q, %+v, %v", location, target, u, err)
		}
	})
}
