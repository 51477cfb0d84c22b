package serve_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/origintest/rawhttp"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// hostileNames are names that a careless server or client changes.
var hostileNames = []string{
	"plain", "a/b", "a//b", "//a", "a/", "/", ".", "..", "../a", "a/../b", "a/./b", "a%2fb", "%", "%00", "a b", "a+b",
	"a?b=c", "a#b", "a&b", "\x00", "\n", "\r\n\r\n", "\x7f", "\"", "\\", "\\u0041", "é", "\u2028", "\xff", "a\xc3", "𝄞",
	"http://x/get/y", ":", "list", "get/x", strings.Repeat("n", 1000), "dup", "dup", "",
}

// hostileFiles is a source of the hostile names; a body says its name.
func hostileFiles() *origintest.Files {
	var files []origintest.File
	for _, name := range hostileNames {
		files = append(files, origintest.File{Name: name, Body: []byte("body of " + name)})
	}
	return origintest.NewFiles(files...)
}

func TestHostileNames(t *testing.T) {
	for _, base := range []string{"", "/v1/b"} {
		s := serve.OpenTest(t, serve.Options{BasePath: base, PageSize: 7}, origintest.Prefixed("a b&c=+%2F\"é#?", hostileFiles()))
		var want []string
		for _, name := range hostileNames {
			var replaced string // as encoding/json reads invalid UTF-8
			encoded, err := json.Marshal(name)
			if err == nil {
				err = json.Unmarshal(encoded, &replaced)
			}
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, replaced)
		}
		if got := rawhttp.Names(rawhttp.Pages(t, s.Addr(), base)); !slices.Equal(got, want) {
			t.Errorf("base %q: listed %q, want %q", base, got, want)
		}
		c := rawhttp.Dial(t, s.Addr())
		for _, name := range hostileNames {
			c.Send(rawhttp.GetTarget(base, name))
			c.Expect(200, "body of "+name)
		}
	}
}

func TestTargets(t *testing.T) {
	src := origintest.Prefixed("m", origintest.NewFiles(
		origintest.File{Name: "a", Body: []byte("A")}, origintest.File{Name: "b/c", Body: []byte("BC")}, origintest.File{Name: "d"}))
	s := serve.OpenTest(t, serve.Options{BasePath: "base/", PageSize: 2}, src)
	const first = `{"FileNames": ["a", "b/c"], "NextFile": "m2"}` + "\n"
	const last = `{"FileNames": ["d"]}` + "\n"
	for _, test := range []struct {
		method, target string
		status         int
		body           string // not compared if it is "-"
	}{
		{"GET", "/base/list", 200, first},
		{"GET", "/base/list?", 200, first},
		{"GET", "/base/list?next-marker=", 200, first},
		{"GET", "/base/list?x=y&next-marker=m2", 200, last},
		{"GET", "/base/list?next-marker=%6d%32", 200, last},
		{"GET", "http://elsewhere/base/list", 200, first},
		{"HEAD", "/base/list", 200, ""},
		{"GET", "/base/list?next-marker=2", 400, "-"},
		{"GET", "/base/list?next-marker=mx", 400, "-"},
		{"GET", "/base/list?next-marker=m%2", 400, "-"},
		{"GET", "/base/list?next-marker=m%zz", 400, "-"},
		{"GET", "/base/list/", 404, "-"},
		{"GET", "/list", 404, "-"},
		{"GET", "/base", 404, "-"},
		{"GET", "/", 404, "-"},
		{"GET", "/base/x/../list", 404, "-"},
		{"GET", "/base/get", 404, "-"},
		{"GET", "/base/get/", 404, "-"},
		{"GET", "/base/get/a", 200, "A"},
		{"GET", "/base/get/%61?query", 200, "A"},
		{"GET", "http://elsewhere/base/get/b/c", 200, "BC"},
		{"GET", "/base/get/b%2Fc", 200, "BC"},
		{"GET", "/base/get/b%2fc", 200, "BC"},
		{"GET", "/base/get//a", 404, "-"},
		{"GET", "/base/get/x/../a", 404, "-"},
		{"GET", "/base/get/a%", 400, "-"},
		{"GET", "/base/get/a%4", 400, "-"},
		{"GET", "/base/get/d", 200, ""},
		{"HEAD", "/base/get/a", 200, ""},
		{"POST", "/base/get/a", 405, "-"},
		{"DELETE", "/base/list", 405, "-"},
	} {
		resp, body := rawhttp.Ask(t, s.Addr(), test.method, test.target)
		if resp.StatusCode != test.status || test.body != "-" && body != test.body {
			t.Errorf("%s %s: got %d %q, want %d %q", test.method, test.target, resp.StatusCode, body, test.status, test.body)
		}
		if test.method == "HEAD" && resp.ContentLength <= 0 {
			t.Errorf("HEAD %s: length %d", test.target, resp.ContentLength)
		}
	}
}

func TestAnswerHasNoNeedlessHeader(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 1, BodySize: 3})
	c := rawhttp.Dial(t, serve.OpenTest(t, serve.Options{}, src).Addr())
	c.Send("/get/" + src.Name(0))
	want := "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + string(src.Body(0))
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c.Reader, got); err != nil || string(got) != want {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestToken(t *testing.T) {
	s := serve.OpenTest(t, serve.Options{Token: "secret"}, origintest.NewFiles(origintest.File{Name: "a", Body: []byte("A")}))
	for value, status := range map[string]int{
		"": 401, "Bearer": 401, "Bearer secre": 401, "Bearer secrets": 401, "Basic secret": 401, "Bearer secret": 200,
	} {
		for _, target := range []string{"/list", "/get/a"} {
			if resp, _ := rawhttp.Ask(t, s.Addr(), "GET", target, "Authorization", value); resp.StatusCode != status {
				t.Errorf("%s with %q: %d, want %d", target, value, resp.StatusCode, status)
			}
		}
	}
}

func TestConditions(t *testing.T) {
	mod := time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)
	large := bytes.Repeat([]byte("0123456789"), (1<<20)/10+1)
	s := serve.OpenTest(t, serve.Options{}, serve.Source(&readerAtFiles{origintest.NewFiles(
		origintest.File{Name: "f", Body: []byte("0123456789"), ETag: `"v1"`, ModTime: mod},
		origintest.File{Name: "large", Body: large, ETag: `"v1"`},
		origintest.File{Name: "empty", ETag: `"v1"`},
		origintest.File{Name: "commas", Body: []byte("c"), ETag: `"v,1"`},
	)}))
	for _, test := range []struct {
		target, key, value string
		status             int
		body, contentRange string
	}{
		{"f", "If-None-Match", `"v1"`, 304, "", ""},
		{"f", "if-none-match", `"x", W/"v1"`, 304, "", ""},
		{"f", "If-None-Match", `*`, 304, "", ""},
		{"f", "If-None-Match", `"v2"`, 200, "0123456789", ""},
		{"f", "If-None-Match", `"v,*,1", "*"`, 200, "0123456789", ""},
		{"f", "If-None-Match", `"x , ", ,"v1"`, 304, "", ""},
		{"f", "If-None-Match", `"v1`, 200, "0123456789", ""},
		{"commas", "If-None-Match", `"x", "v,1"`, 304, "", ""},
		{"f", "If-Modified-Since", "Mon, 03 Feb 2020 04:05:06 GMT", 304, "", ""},
		{"f", "If-Modified-Since", "Mon, 03 Feb 2020 04:05:05 GMT", 200, "0123456789", ""},
		{"f", "If-Modified-Since", "Mon, 03 Feb 2020 04:05:07 GMT", 304, "", ""},
		{"f", "If-Modified-Since", "Monday, 03-Feb-20 04:05:06 GMT", 304, "", ""},
		{"f", "If-Modified-Since", "today", 200, "0123456789", ""},
		{"large", "If-Modified-Since", "Mon, 03 Feb 2020 04:05:06 GMT", 200, string(large), ""},
		{"large", "If-None-Match", `"v1"`, 304, "", ""},
		{"f", "Range", "bytes=2-4", 206, "234", "bytes 2-4/10"},
		{"f", "range", "bytes=7-", 206, "789", "bytes 7-9/10"},
		{"f", "Range", "bytes=-3", 206, "789", "bytes 7-9/10"},
		{"f", "Range", "bytes=-30", 206, "0123456789", "bytes 0-9/10"},
		{"f", "Range", "bytes=9-99", 206, "9", "bytes 9-9/10"},
		{"f", "Range", "bytes=10-", 416, "no such range\n", "bytes */10"},
		{"f", "Range", "bytes=-0", 416, "no such range\n", "bytes */10"},
		{"empty", "Range", "bytes=0-", 416, "no such range\n", "bytes */0"},
		{"f", "Range", "bytes=4-2", 200, "0123456789", ""},
		{"f", "Range", "bytes=1-2,4-5", 200, "0123456789", ""},
		{"f", "Range", "lines=1-2", 200, "0123456789", ""},
		{"large", "Range", "bytes=1000003-1000006", 206, "3456", "bytes 1000003-1000006/" + "1048580"},
	} {
		resp, body := rawhttp.Ask(t, s.Addr(), "GET", "/get/"+test.target, test.key, test.value)
		if resp.StatusCode != test.status || body != test.body || resp.Header.Get("Content-Range") != test.contentRange {
			t.Errorf("%s, %s: %s: got %d %q %q", test.target, test.key, test.value, resp.StatusCode, body, resp.Header.Get("Content-Range"))
		}
	}
	for etag, status := range map[string]int{`"v1"`: 206, `"v2"`: 200} {
		if resp, _ := rawhttp.Ask(t, s.Addr(), "GET", "/get/f", "Range", "bytes=1-2", "If-Range", etag); resp.StatusCode != status {
			t.Errorf("range if %s: %d", etag, resp.StatusCode)
		}
	}
	// A time is not looked at beside an ETag.
	for etag, status := range map[string]int{`"v1"`: 304, `"v2"`: 200} {
		resp, _ := rawhttp.Ask(t, s.Addr(), "GET", "/get/f", "If-Modified-Since", mod.Format(http.TimeFormat), "If-None-Match", etag)
		if resp.StatusCode != status || resp.Header.Get("ETag") != `"v1"` || resp.Header.Get("Last-Modified") == "" {
			t.Errorf("if not %s, nor since its time: %+v", etag, resp)
		}
	}
	resp, body := rawhttp.Ask(t, s.Addr(), "HEAD", "/get/large")
	if resp.ContentLength != int64(len(large)) || body != "" || resp.Header.Get("ETag") != `"v1"` {
		t.Errorf("HEAD: %+v", resp)
	}
	resp, _ = rawhttp.Ask(t, s.Addr(), "GET", "/get/f")
	if got := resp.Header.Get("Last-Modified"); got != mod.Format(http.TimeFormat) {
		t.Errorf("last modified %q", got)
	}
}

// readerAtFiles hands the long ones of its files out as readers.
type readerAtFiles struct{ *origintest.Files }

func (f *readerAtFiles) Get(name []byte, o *serve.Object) error {
	err := f.Files.Get(name, o)
	if len(o.Body) > 1<<20 {
		o.At, o.Size, o.Body = bytes.NewReader(o.Body), int64(len(o.Body)), nil
	}
	return err
}

func TestSourceError(t *testing.T) {
	s := serve.OpenTest(t, serve.Options{}, brokenSource{})
	for _, target := range []string{"/list", "/get/a"} {
		if resp, body := rawhttp.Ask(t, s.Addr(), "GET", target); resp.StatusCode != 500 || body != "broken\n" {
			t.Errorf("%s: %d %q", target, resp.StatusCode, body)
		}
	}
}

type brokenSource struct{}

func (brokenSource) Page(string, int, func([]byte)) (string, error) { return "", errors.New("broken") }
func (brokenSource) Get([]byte, *serve.Object) error                { return errors.New("broken") }

func TestMalformedRequest(t *testing.T) {
	s := serve.OpenTest(t, serve.Options{}, origintest.NewFiles())
	c := rawhttp.Dial(t, s.Addr())
	if _, err := io.WriteString(c, "GET nonsense\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if resp, body, err := c.Receive(); err != nil || resp.StatusCode != 400 {
		t.Errorf("%+v %q %v", resp, body, err)
	}
	if resp, _ := rawhttp.Ask(t, s.Addr(), "GET", "/get/"+strings.Repeat("n", 128<<10)); resp.StatusCode != 431 {
		t.Errorf("a long name: %d", resp.StatusCode)
	}
}
