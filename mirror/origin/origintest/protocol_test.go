package origintest

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// hostileNames are names that a careless server or client changes.
var hostileNames = []string{
	"plain", "a/b", "a//b", "//a", "a/", "/", ".", "..", "../a", "a/../b", "a/./b", "a%2fb", "%", "%00", "a b", "a+b",
	"a?b=c", "a#b", "a&b", "\x00", "\n", "\r\n\r\n", "\x7f", "\"", "\\", "\\u0041", "é", "\u2028", "\xff", "a\xc3", "𝄞",
	"http://x/get/y", ":", "list", "get/x", strings.Repeat("n", 1000), "dup", "dup", "",
}

// hostileFiles is a source of the hostile names; a body says its name.
func hostileFiles() *Files {
	var files []File
	for _, name := range hostileNames {
		files = append(files, File{Name: name, Body: []byte("body of " + name)})
	}
	return NewFiles(files...)
}

func TestHostileNames(t *testing.T) {
	for _, base := range []string{"", "/v1/b"} {
		s := openServer(t, Options{BasePath: base, PageSize: 7, MarkerPrefix: "a b&c=+%2F\"é#?"}, hostileFiles())
		var want []string
		for _, name := range hostileNames {
			var replaced string // as encoding/json reads invalid UTF-8
			if err := json.Unmarshal(appendString(nil, name), &replaced); err != nil {
				t.Fatal(err)
			}
			want = append(want, replaced)
		}
		if got := names(listAll(t, s)); !slices.Equal(got, want) {
			t.Errorf("base %q: listed %q, want %q", base, got, want)
		}
		c := dial(t, s)
		for _, name := range hostileNames {
			c.send(getTarget(s, name))
			c.expect(200, "body of "+name)
		}
	}
}

func TestTargets(t *testing.T) {
	src := NewFiles(File{Name: "a", Body: []byte("A")}, File{Name: "b/c", Body: []byte("BC")}, File{Name: "d"})
	s := openServer(t, Options{BasePath: "base/", PageSize: 2, MarkerPrefix: "m"}, src)
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
		resp, body := ask(t, s, test.method, test.target)
		if resp.StatusCode != test.status || test.body != "-" && body != test.body {
			t.Errorf("%s %s: got %d %q, want %d %q", test.method, test.target, resp.StatusCode, body, test.status, test.body)
		}
		if test.method == "HEAD" && resp.ContentLength <= 0 {
			t.Errorf("HEAD %s: length %d", test.target, resp.ContentLength)
		}
	}
}

func TestAnswerHasNoNeedlessHeader(t *testing.T) {
	src := NewSynthetic(SyntheticOptions{Files: 1, BodySize: 3})
	c := dial(t, openServer(t, Options{}, src))
	c.send("/get/" + src.Name(0))
	want := "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + string(src.Body(0))
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c.br, got); err != nil || string(got) != want {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestToken(t *testing.T) {
	s := openServer(t, Options{Token: "secret"}, NewFiles(File{Name: "a", Body: []byte("A")}))
	for value, status := range map[string]int{
		"": 401, "Bearer": 401, "Bearer secre": 401, "Bearer secrets": 401, "Basic secret": 401, "Bearer secret": 200,
	} {
		for _, target := range []string{"/list", "/get/a"} {
			if resp, _ := ask(t, s, "GET", target, "Authorization", value); resp.StatusCode != status {
				t.Errorf("%s with %q: %d, want %d", target, value, resp.StatusCode, status)
			}
		}
	}
}

func TestConditions(t *testing.T) {
	mod := time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)
	large := bytes.Repeat([]byte("0123456789"), streamAbove/10+1)
	s := openServer(t, Options{}, Source(&readerAtFiles{NewFiles(
		File{Name: "f", Body: []byte("0123456789"), ETag: `"v1"`, ModTime: mod},
		File{Name: "large", Body: large, ETag: `"v1"`},
		File{Name: "empty", ETag: `"v1"`},
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
		resp, body := ask(t, s, "GET", "/get/"+test.target, test.key, test.value)
		if resp.StatusCode != test.status || body != test.body || resp.Header.Get("Content-Range") != test.contentRange {
			t.Errorf("%s, %s: %s: got %d %q %q", test.target, test.key, test.value, resp.StatusCode, body, resp.Header.Get("Content-Range"))
		}
	}
	for etag, status := range map[string]int{`"v1"`: 206, `"v2"`: 200} {
		if resp, _ := ask(t, s, "GET", "/get/f", "Range", "bytes=1-2", "If-Range", etag); resp.StatusCode != status {
			t.Errorf("range if %s: %d", etag, resp.StatusCode)
		}
	}
	resp, body := ask(t, s, "HEAD", "/get/large")
	if resp.ContentLength != int64(len(large)) || body != "" || resp.Header.Get("ETag") != `"v1"` {
		t.Errorf("HEAD: %+v", resp)
	}
	resp, _ = ask(t, s, "GET", "/get/f")
	if got := resp.Header.Get("Last-Modified"); got != mod.Format(http.TimeFormat) {
		t.Errorf("last modified %q", got)
	}
}

// readerAtFiles hands the long ones of its files out as readers.
type readerAtFiles struct{ *Files }

func (f *readerAtFiles) Get(name []byte, o *Object) error {
	err := f.Files.Get(name, o)
	if len(o.Body) > streamAbove {
		o.At, o.Size, o.Body = bytes.NewReader(o.Body), int64(len(o.Body)), nil
	}
	return err
}

func TestSourceError(t *testing.T) {
	s := openServer(t, Options{}, brokenSource{})
	for _, target := range []string{"/list", "/get/a"} {
		if resp, body := ask(t, s, "GET", target); resp.StatusCode != 500 || body != "broken\n" {
			t.Errorf("%s: %d %q", target, resp.StatusCode, body)
		}
	}
}

type brokenSource struct{}

func (brokenSource) Page(string, int, func([]byte)) (string, error) { return "", errors.New("broken") }
func (brokenSource) Get([]byte, *Object) error                      { return errors.New("broken") }

func TestMalformedRequest(t *testing.T) {
	s := openServer(t, Options{}, NewFiles())
	c := dial(t, s)
	if _, err := io.WriteString(c, "GET nonsense\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if resp, body, err := c.receive(); err != nil || resp.StatusCode != 400 {
		t.Errorf("%+v %q %v", resp, body, err)
	}
	if resp, _ := ask(t, s, "GET", "/get/"+strings.Repeat("n", 2*connBuffer)); resp.StatusCode != 431 {
		t.Errorf("a long name: %d", resp.StatusCode)
	}
}

func TestTLS(t *testing.T) {
	config, pool, err := SelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	src := NewSynthetic(SyntheticOptions{Files: 20})
	s := openServer(t, Options{TLS: config}, src)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer client.CloseIdleConnections()
	for i := range src.Len() {
		if i == 10 {
			s.SetFaults(Faults{OnGet: EveryNth(1, Fault{Mode: Chunked, N: 7})})
		}
		resp, err := client.Get(s.URL() + "/get/" + src.Name(i))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || !bytes.Equal(body, src.Body(i)) {
			t.Errorf("file %d: %d bytes, %v", i, len(body), err)
		}
	}
	if got := s.Counts().Conns; got != 1 {
		t.Errorf("%d connections", got)
	}
	s.SetFaults(Faults{OnGet: EveryNth(1, Fault{Mode: CutBody, N: 10})})
	resp, err := client.Get(s.URL() + "/get/" + src.Name(0))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) || len(body) != 10 {
		t.Errorf("a cut body: %d bytes, %v", len(body), err)
	}
}
