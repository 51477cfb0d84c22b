package origin

import (
	"net/http"
	"strings"
	"testing"

	"github.com/motefs/motefs/mirror/wire"
)

func TestBase(t *testing.T) {
	for raw, want := range map[string]string{ // the path
		"http://h":         "",
		"https://h/":       "",
		"HTTP://h:81/a/b/": "/a/b",
		"http://h/a%2Fb c": "/a%2Fb%20c",
	} {
		b, err := parseBase(raw)
		if err != nil || b.path != want {
			t.Errorf("%s: %+v, %v", raw, b, err)
		}
	}
	for raw, want := range map[string]string{
		"": "missing", "h": "scheme", "ftp://h": "scheme", "http:///x": "no host", "http://:80": "no host", "//h": "scheme",
		"http://u:secret@h": "user-info", "http://h?q": "query", "http://h?": "query", "http://h#f": "fragment", "http://h/#": "fragment",
		"http://h:0": "port", "http://h:65536": "port", "http://h:x": "port", "http://ü": "Punycode", "http://h\r\nX: y": "control",
		"http://u:secret@h:x": "port",
	} {
		_, err := New(Options{BaseURL: raw})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want %q", raw, err, want)
		}
	}
}

// TestOptions wants every problem named at once, and no secret among them.
func TestOptions(t *testing.T) {
	_, err := New(Options{BaseURL: "ftp://u@h?q#f", MaxPageBytes: -1, Options: wire.Options{
		UserAgent: "a\nb", MaxFileSize: -1, InlineLimit: -1,
		Header: http.Header{"host": {"x"}, "Content-Length": {"1"}, "Connection": {"close"}, "secret b": {"x"}, "": {"x"}, "Token": {"secret\r\nX: y"}},
	}})
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{"scheme", "user-info", "query", "fragment", "user agent", "max file size", "inline limit", "max page bytes",
		`"host"`, `"Content-Length"`, `"Connection"`, "a name that is not one", `"Token": control`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named in:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
	c, err := New(Options{BaseURL: "http://h/base/"})
	if err != nil || c.maxPage != defaultMaxPageBytes {
		t.Errorf("%+v, %v", c, err)
	}
	c.Close()
}
