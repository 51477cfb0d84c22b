package origin

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestMetadata(t *testing.T) {
	s := serveRaw(t, func(c *rawConn) {
		for {
			target, ok := c.next()
			switch {
			case !ok:
				return
			case target == "/get/none":
				c.file("x")
			case target == "/get/bad":
				c.say("HTTP/1.1 200 OK\r\nLast-Modified: yesterday\r\nETag: \r\nContent-Length: 1\r\n\r\nx")
			default:
				c.say("HTTP/1.1 200 OK\r\nLAST-MODIFIED: Sun, 06 Nov 1994 08:49:37 GMT\r\netag: W/\"%s\"\r\nContent-Length: 1\r\n\r\nx", target)
			}
		}
	})
	for i, r := range fetchAll(t, newClient(t, Options{BaseURL: s.url()}), "a", "none", "b", "bad", "c", "none") {
		want, etag := int64(784111777), fmt.Sprintf("W/%q", "/get/"+string("aabbcc"[i]))
		if i%2 == 1 {
			want, etag = 0, ""
		}
		if r.err != nil || r.obj.Size != 1 || r.obj.ModTime != want || string(r.obj.ETag) != etag {
			t.Errorf("%d: %+v", i, r)
		}
	}
}

func TestRequest(t *testing.T) {
	got := make(chan string, 1)
	s := serveRaw(t, func(c *rawConn) {
		b := make([]byte, 4096)
		n, _ := c.Read(b)
		got <- string(b[:n])
		c.file("{}")
	})
	o := Options{BaseURL: s.url() + "/a%20b//c/", UserAgent: "me", Header: http.Header{"authorization": {"Bearer x"}, "X": {"1", "2"}}}
	fetchAll(t, newClient(t, o), "n?")
	want := "GET /a%20b//c/get/n%3F HTTP/1.1\r\nHost: " + s.ln.Addr().String() + "\r\nUser-Agent: me\r\nAccept-Encoding: identity\r\n" +
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
