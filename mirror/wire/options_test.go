package wire

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/motefs/motefs/mirror/wire/wiretest"
)

func TestAddress(t *testing.T) {
	for raw, want := range map[string][3]string{ // to dial, Host, name for TLS
		"http://h":                {"h:80", "h", "h"},
		"https://h/":              {"h:443", "h", "h"},
		"HTTP://h:81/a/b/":        {"h:81", "h:81", "h"},
		"http://[::1]:8080":       {"[::1]:8080", "[::1]:8080", "::1"},
		"http://[fe80::1%25eth0]": {"[fe80::1%eth0]:80", "[fe80::1]", "fe80::1"},
	} {
		a := newAddress(parsed(t, raw))
		if got := [3]string{a.dial, a.host, a.name}; got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
	for raw, want := range map[string]string{
		"h": "scheme", "ftp://h": "scheme", "http:///x": "no host", "http://:80": "no host", "//h": "scheme",
		"http://u:secret@h": "user-info", "http://h:0": "port", "http://h:65536": "port", "http://ü": "Punycode",
	} {
		_, err := New(Options{URL: parsed(t, raw)})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want %q", raw, err, want)
		}
	}
	if _, err := New(Options{}); err == nil || !strings.Contains(err.Error(), "URL: missing") {
		t.Error(err)
	}
}

// TestOptions wants every problem named at once, and no secret among them.
func TestOptions(t *testing.T) {
	_, err := New(Options{
		URL: parsed(t, "ftp://u@h"), UserAgent: "a\nb", MaxFileSize: -1, InlineLimit: -1, Pipeline: -1,
		Header: http.Header{"host": {"x"}, "Content-Length": {"1"}, "Connection": {"close"}, "Range": {"bytes=0-0"}, "secret b": {"x\n"}, "": {"x"}, "Token": {"secret\r\nX: y"}},
	})
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{"scheme", "user-info", "user agent", "max file size", "inline limit", "pipeline",
		`"host"`, `"Content-Length"`, `"Connection"`, `"Range"`, "a name that is not one", `"Token": control`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named in:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
	h := &url.URL{Scheme: "http", Host: "h"}
	if _, err := New(Options{URL: h, InlineLimit: 10, MaxFileSize: 9}); err == nil {
		t.Error("an inline limit above the file limit was taken")
	}
	o := Options{URL: h, MaxFileSize: 9}
	o.EnsureDefaults()
	if err := o.Validate(); err != nil || o.InlineLimit != 9 || o.Timeouts != DefaultTimeouts {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestRequest holds every byte of a request.
func TestRequest(t *testing.T) {
	got := make(chan string, 1)
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		b := make([]byte, 4096)
		n, _ := c.Read(b)
		got <- string(b[:n])
		c.File("{}")
	})
	o := Options{URL: s.Base(), UserAgent: "me", Header: http.Header{"authorization": {"Bearer x"}, "X": {"1", "2"}}}
	tail := " HTTP/1.1\r\nHost: " + s.Addr() + "\r\nUser-Agent: me\r\nAccept-Encoding: identity\r\nX: 1\r\nX: 2\r\nAuthorization: Bearer x\r\n"
	fetchAll(t, newClient(t, o), "a%3Fb?c")
	if g, want := <-got, "GET /get/a%3Fb?c"+tail+"\r\n"; g != want {
		t.Errorf("%q\nwant %q", g, want)
	}
	err := newClient(t, o).One(t.Context(), List, "/list?x=y", []byte("Range: bytes=1-2\r\n"), false, func(*Response) error { return nil })
	if g, want := <-got, "GET /list?x=y"+tail+"Range: bytes=1-2\r\n\r\n"; g != want || err != nil {
		t.Errorf("%q\nwant %q, %v", g, want, err)
	}
}

func TestMetadata(t *testing.T) {
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for {
			target, ok := c.Next()
			switch {
			case !ok:
				return
			case target == "/get/none":
				c.File("x")
			case target == "/get/bad":
				c.Say("HTTP/1.1 200 OK\r\nLast-Modified: yesterday\r\nETag: \r\nContent-Length: 1\r\n\r\nx")
			case target == "/get/moved":
				c.Say("HTTP/1.1 308 Moved\r\nLocation: /there?x=y\r\nContent-Length: 2\r\n\r\nno")
			case target == "/get/odd":
				c.Say("HTTP/1.1 404 No\r\nLocation: /there\r\nETag: \"x\"\r\nContent-Length: 2\r\n\r\nno")
			case target == "/get/teach/1":
				c.File("teach")
			case target == "/get/long":
				c.Say("HTTP/1.1 200 OK\r\nETag: \"%s\"\r\nContent-Length: 1\r\n\r\nx", strings.Repeat("e", 60000))
			default:
				c.Say("HTTP/1.1 200 OK\r\nLAST-MODIFIED: Sun, 06 Nov 1994 08:49:37 GMT\r\netag: W/\"%s\"\r\nContent-Length: 1\r\n\r\nx", target)
			}
		}
	})
	c := newClient(t, Options{URL: s.Base()})
	names := []string{"a", "none", "b", "bad", "c", "none", "moved", "odd", "d", "long", "e"}
	for range 2 { // alone, and in a round
		for i, r := range fetchAll(t, c, names...) {
			a := r.ans
			switch name := names[i]; name {
			case "moved":
				if !a.Redirect() || a.Status != 308 || a.Location != "/there?x=y" {
					t.Errorf("%s: %+v", name, r)
				}
				continue
			case "odd":
				if a.Redirect() || a.Status != 404 || a.Location != "" || len(a.ETag) > 0 {
					t.Errorf("%s: %+v", name, r)
				}
				continue
			case "long": // as long as heads may be
				if r.err != nil || a.Size != 1 || len(a.ETag) != 60002 {
					t.Errorf("%s: %d, %v", name, len(a.ETag), r.err)
				}
			case "none", "bad":
				if r.err != nil || a.Size != 1 || a.ModTime != 0 || len(a.ETag) > 0 {
					t.Errorf("%s: %+v", name, r)
				}
			default:
				if r.err != nil || a.Size != 1 || a.ModTime != 784111777 || string(a.ETag) != `W/"/get/`+name+`"` || a.Location != "" {
					t.Errorf("%s: %+v", name, r)
				}
			}
		}
		fetchAll(t, c, "teach/1")
	}
	if !c.guards.enough() {
		t.Error("no guards")
	}
}
