package origin

import (
	"net/http"
	"strings"
	"testing"
)

func TestBase(t *testing.T) {
	for raw, want := range map[string][3]string{ // address, Host, path
		"http://h":                {"h:80", "h", ""},
		"https://h/":              {"h:443", "h", ""},
		"HTTP://h:81/a/b/":        {"h:81", "h:81", "/a/b"},
		"http://h/a%2Fb c":        {"h:80", "h", "/a%2Fb%20c"},
		"http://[::1]:8080":       {"[::1]:8080", "[::1]:8080", ""},
		"http://[fe80::1%25eth0]": {"[fe80::1%eth0]:80", "[fe80::1]", ""},
	} {
		b, err := parseBase(raw)
		if err != nil || [3]string{b.addr, b.host, b.path} != want {
			t.Errorf("%s: %+v, %v", raw, b, err)
		}
	}
	for raw, want := range map[string]string{
		"": "missing", "h": "scheme", "ftp://h": "scheme", "http:///x": "no host", "http://:80": "no host", "//h": "scheme",
		"http://u:secret@h": "user-info", "http://h?q": "query", "http://h?": "query", "http://h#f": "fragment", "http://h/#": "fragment",
		"http://h:0": "port", "http://h:65536": "port", "http://h:x": "port", "http://ü": "Punycode", "http://h\r\nX: y": "control",
		"http://u:secret@h:x": "port",
	} {
		_, err := parseBase(raw)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want %q", raw, err, want)
		}
	}
}

// TestOptions wants every problem named at once, and no secret among them.
func TestOptions(t *testing.T) {
	_, err := New(Options{
		BaseURL: "ftp://u@h?q#f", UserAgent: "a\nb", MaxFileSize: -1, InlineLimit: -1, MaxPageBytes: -1,
		Header: http.Header{"host": {"x"}, "Content-Length": {"1"}, "Connection": {"close"}, "A b": {"x"}, "": {"x"}, "Token": {"secret\r\nX: y"}},
	})
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{"scheme", "user-info", "query", "fragment", "user agent", "max file size", "inline limit", "max page bytes",
		`"host"`, `"Content-Length"`, `"Connection"`, `"A b"`, `""`, `"Token": control`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named in:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
	if _, err := New(Options{BaseURL: "http://h", InlineLimit: 10, MaxFileSize: 9}); err == nil {
		t.Error("an inline limit above the file limit was taken")
	}
	o := Options{BaseURL: "http://h", MaxFileSize: 9}
	o.EnsureDefaults()
	if err := o.Validate(); err != nil || o.InlineLimit != 9 || o.timing != defaultTiming {
		t.Errorf("%+v, %v", o, err)
	}
}
