package origin

import (
	"net/http"
	"strings"
	"testing"

	"github.com/motefs/motefs/mirror/wire"
	"github.com/motefs/motefs/mirror/wire/wiretest"
)

func TestRequest(t *testing.T) {
	got := make(chan string, 1)
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		b := make([]byte, 4096)
		n, _ := c.Read(b)
		got <- string(b[:n])
		c.File("{}")
	})
	o := at(s.URL()+"/a%20b//c/", wire.Options{UserAgent: "me", Header: http.Header{"authorization": {"Bearer x"}, "X": {"1", "2"}}})
	fetchAll(t, newClient(t, o), "n?")
	want := "GET /a%20b//c/get/n%3F HTTP/1.1\r\nHost: " + s.Addr() + "\r\nUser-Agent: me\r\nAccept-Encoding: identity\r\n" +
		"X: 1\r\nX: 2\r\nAuthorization: Bearer x\r\n\r\n"
	if g := <-got; g != want {
		t.Errorf("%q\nwant %q", g, want)
	}
	newClient(t, o).List(t.Context(), "a/b&c=\xff ")
	if g, want := <-got, "GET /a%20b//c/list?next-marker=a%2Fb%26c%3D%FF%20 HTTP/1.1\r\n"; !strings.HasPrefix(g, want) {
		t.Errorf("%q\nwant %q", g, want)
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"": "", "a": "a", "a/b": "a/b", "/a": "/a", "a//b/": "a//b/", "..": "%2E%2E", ".": "%2E", "a/../b": "a/%2E%2E/b",
		"./..": "%2E/%2E%2E", "...": "...", ".a/..b/c.": ".a/..b/c.", "a b": "a%20b", "a?b#c": "a%3Fb%23c", "%41": "%2541",
		"a+b&c=d;e": "a%2Bb%26c%3Dd%3Be", "\x00\r\n\x7f": "%00%0D%0A%7F", "ü": "%C3%BC", "\xff": "%FF", "A-Z_z~.": "A-Z_z~.",
		"{[@`|\\": "%7B%5B%40%60%7C%5C", "x/.": "x/%2E", "x:9": "x%3A9",
	} {
		if got := string(appendName(nil, name)); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
