package origin

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// version is what the caller of a Fetch has of each name.
type version struct {
	etag    string
	modTime int64
}

// fetchKnown fetches names of which all have that version.
func fetchKnown(t *testing.T, c *Client, v version, names ...string) []result {
	t.Helper()
	results, times := make([]result, len(names)), make([]int, len(names))
	tag := make([]byte, 0, len(v.etag)) // the same memory for each, which is not kept
	err := c.Fetch(t.Context(), names, mirror.Receiver{
		Known: func(int) ([]byte, int64) {
			clear(tag[:cap(tag)])
			tag = append(tag[:0], v.etag...)
			return tag, v.modTime
		},
		Receive: func(i int, obj *mirror.Object, err error) {
			times[i]++
			if results[i].err = err; obj != nil {
				results[i].body = string(obj.Body)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range times {
		if n != 1 {
			t.Errorf("%s: received %d times", names[i], n)
		}
	}
	return results
}

// TestKnownVersions asks a real server for a file of which a version is known.
func TestKnownVersions(t *testing.T) {
	const sec = 1_600_000_000
	strong, weak, dated := origintest.File{ETag: `"a"`}, origintest.File{ETag: `W/"a"`}, origintest.File{ModTime: time.Unix(sec, 0)}
	both := origintest.File{ETag: `"a"`, ModTime: time.Unix(sec, 0)}
	once := func(f origintest.Fault) func(int) origintest.Fault {
		return func(n int) origintest.Fault {
			if n > 0 {
				return origintest.Fault{}
			}
			return f
		}
	}
	always := func(f origintest.Fault) func(int) origintest.Fault { return func(int) origintest.Fault { return f } }
	notModified := origintest.Fault{Status: 304}
	for what, c := range map[string]struct {
		file  origintest.File
		known version
		fault func(n int) origintest.Fault
		want  error // nil: the content
	}{
		"the ETag":                        {file: strong, known: version{etag: `"a"`}, want: mirror.ErrNotModified},
		"the ETag, weak":                  {file: weak, known: version{etag: `W/"a"`}, want: mirror.ErrNotModified},
		"the ETag, weak here":             {file: strong, known: version{etag: `W/"a"`}, want: mirror.ErrNotModified},
		"the ETag, weak there":            {file: weak, known: version{etag: `"a"`}, want: mirror.ErrNotModified},
		"another ETag":                    {file: strong, known: version{etag: `"b"`}},
		"another ETag of the same time":   {file: both, known: version{`"b"`, sec}},
		"the ETag, another time":          {file: both, known: version{`"a"`, 1}, want: mirror.ErrNotModified},
		"the time":                        {file: dated, known: version{modTime: sec}, want: mirror.ErrNotModified},
		"an older time":                   {file: dated, known: version{modTime: sec - 1}},
		"a later time":                    {file: dated, known: version{modTime: sec + 1}},
		"no time":                         {file: dated, known: version{modTime: -sec}},
		"a time after all years":          {file: dated, known: version{modTime: 1 << 60}},
		"nothing":                         {file: both},
		"an ETag, none there":             {file: dated, known: version{`"a"`, sec}},
		"a star":                          {file: strong, known: version{etag: `*`}},
		"a star, and the time":            {file: both, known: version{`*`, sec}, want: mirror.ErrNotModified},
		"a list":                          {file: strong, known: version{etag: `"b", "a"`}},
		"without quotes":                  {file: strong, known: version{etag: `a`}},
		"line feeds":                      {file: strong, known: version{etag: "\"b\"\r\nIf-None-Match: \"a\""}},
		"a line feed in quotes":           {file: strong, known: version{etag: "\"b\nIf-None-Match: \"a\""}},
		"NUL":                             {file: strong, known: version{etag: "\"a\x00\""}},
		"odd bytes":                       {file: origintest.File{ETag: "\"\xff é ,*\""}, known: version{etag: "\"\xff é ,*\""}, want: mirror.ErrNotModified},
		"a long one":                      {file: origintest.File{ETag: `"` + strings.Repeat("a", 1<<10) + `"`}, known: version{etag: `"` + strings.Repeat("a", 1<<10) + `"`}},
		"half a quote":                    {file: strong, known: version{etag: `"`}},
		"gone":                            {file: strong, known: version{etag: `"a"`}, fault: always(origintest.Fault{Status: 404}), want: mirror.ErrGone},
		"304 unasked":                     {file: strong, fault: always(notModified), want: statusCode(304)},
		"304 and no word of the version":  {file: strong, known: version{etag: `"b"`}, fault: always(notModified), want: mirror.ErrNotModified},
		"304 of another ETag":             {file: strong, known: version{etag: `"b"`}, fault: once(origintest.Fault{Status: 304, Header: map[string]string{"ETag": `"a"`}})},
		"304 of another ETag, unasked":    {file: strong, known: version{etag: `"b"`}, fault: always(origintest.Fault{Status: 304, Header: map[string]string{"ETag": `"a"`}}), want: statusCode(304)},
		"304 with another time":           {file: both, known: version{modTime: sec}, fault: once(origintest.Fault{Status: 304, Header: map[string]string{"Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT"}})},
		"busy":                            {file: strong, known: version{etag: `"a"`}, fault: always(origintest.Fault{Status: 503}), want: statusCode(503)},
		"the whole all the same":          {file: strong, known: version{etag: `"a"`}, fault: always(origintest.Fault{NoRange: true})},
		"not a version, but a wrong word": {file: strong, known: version{etag: `W/`}},
	} {
		t.Run(what, func(t *testing.T) {
			c.file.Name, c.file.Body = "a", []byte("content")
			s := origintest.New(t, serve.Options{}, origintest.NewFiles(c.file))
			if c.fault != nil {
				s.SetFaults(origintest.Faults{OnGet: func(_ []byte, n int) origintest.Fault { return c.fault(n) }})
			}
			r := fetchKnown(t, newClient(t, Options{BaseURL: s.URL()}), c.known, "a")[0]
			if c.want == nil && (r.err != nil || r.body != "content") || c.want != nil && (!matches(r.err, c.want) || r.body != "") {
				t.Errorf("%q, %v; want %v", r.body, r.err, c.want)
			}
		})
	}
}

// TestEveryVersion fetches an origin that has changed, with what was known before.
func TestEveryVersion(t *testing.T) {
	files := serve.SyntheticOptions{Files: 3000, Validators: true}
	was := serve.NewSynthetic(files)
	files.Edition = serve.SyntheticEdition{Changed: .2, Removed: .1}
	is := serve.NewSynthetic(files)
	s := origintest.New(t, serve.Options{}, is)
	names := make([]string, was.Len())
	for i := range names {
		names[i] = was.Name(int64(i))
	}
	for _, byTime := range []bool{false, true} {
		c := newClient(t, Options{BaseURL: s.URL()})
		decided := 0
		err := c.Fetch(t.Context(), names, mirror.Receiver{
			Known: func(i int) ([]byte, int64) {
				var o serve.Object
				if err := was.Get([]byte(names[i]), &o); err != nil {
					t.Error(err)
				}
				if byTime {
					return nil, o.ModTime.Unix()
				}
				return o.ETag, o.ModTime.Unix()
			},
			Receive: func(i int, obj *mirror.Object, err error) {
				decided++
				switch k := int64(i); {
				case is.Removed(k) && errors.Is(err, mirror.ErrGone):
				case is.Changed(k) && err == nil && bytes.Equal(obj.Body, is.Body(k)):
				case !is.Removed(k) && !is.Changed(k) && errors.Is(err, mirror.ErrNotModified):
				default:
					t.Errorf("by time %v: %s, removed %v, changed %v: %v", byTime, names[i], is.Removed(k), is.Changed(k), err)
				}
			},
		})
		if err != nil || decided != len(names) {
			t.Errorf("%d of %d, %v", decided, len(names), err)
		}
	}
}

// TestKnownBehindRedirects has the condition go where a redirect leads.
func TestKnownBehindRedirects(t *testing.T) {
	var mu sync.Mutex
	asked := map[string]string{}
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for {
			target, ok := c.Next()
			if !ok {
				return
			}
			have := c.Field("If-None-Match")
			if have != "" { // and no guard
				mu.Lock()
				asked[target] += have + c.Field("If-Modified-Since")
				mu.Unlock()
			}
			name, moved := strings.CutPrefix(target, "/get/")
			switch {
			case moved:
				c.Say("HTTP/1.1 302 Found\r\nLocation: /b/%s\r\nContent-Length: 0\r\n\r\n", name)
			case strings.HasSuffix(target, "1") && have != "":
				c.Say("%s", wiretest.NotModified(have))
			default:
				c.File(target)
			}
		}
	})
	c := newClient(t, Options{BaseURL: s.URL()})
	names := []string{"x1", "x2", "y1", "y2"}
	for i, r := range fetchKnown(t, c, version{`W/"v"`, 1_600_000_000}, names...) {
		same := i%2 == 0
		if same != errors.Is(r.err, mirror.ErrNotModified) || !same && r.body != "/b/"+names[i] {
			t.Errorf("%s: %q, %v", names[i], r.body, r.err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for _, name := range names {
		if asked["/get/"+name] == "" || strings.ReplaceAll(asked["/b/"+name], `W/"v"`, "") != "" {
			t.Errorf("%s: asked with %q, and then with %q", name, asked["/get/"+name], asked["/b/"+name])
		}
	}
}

// TestNotModifiedWithBody has a server send a body with each 304: each file is
// asked for whole, and comes.
func TestNotModifiedWithBody(t *testing.T) {
	for _, length := range []string{"", "Content-Length: 8\r\n", "Transfer-Encoding: chunked\r\n"} {
		s := wiretest.Serve(t, func(c *wiretest.Conn) {
			for {
				target, ok := c.Next()
				switch have := c.Field("If-None-Match"); {
				case !ok:
					return
				case have != "" && strings.HasSuffix(target, "5"):
					c.Say("HTTP/1.1 304 Not Modified\r\nETag: %s\r\n%s\r\nnot that", have, length)
				case have != "":
					c.Say("%s", wiretest.NotModified(have))
				default:
					c.File(target)
				}
			}
		})
		c := newClient(t, Options{BaseURL: s.URL()})
		names := numbered(100)
		for i, r := range fetchKnown(t, c, version{etag: `"v"`}, names...) {
			// Alone it may be read before the body comes.
			same := errors.Is(r.err, mirror.ErrNotModified)
			if !same && (i%10 != 5 || r.err != nil || r.body != "/get/"+names[i]) {
				t.Errorf("%q: %s: %q, %v", length, names[i], r.body, r.err)
			}
		}
	}
}

// TestNotModifiedAtTheEnd has a server answer a few conditional gets and hang up,
// with others on their way.
func TestNotModifiedAtTheEnd(t *testing.T) {
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for range 7 {
			target, ok := c.Next()
			if !ok {
				return
			}
			if have := c.Field("If-Modified-Since"); have == "Sun, 13 Sep 2020 12:26:40 GMT" && strings.HasSuffix(target, "5") {
				c.Say("HTTP/1.1 304 Not Modified\r\n\r\n")
			} else {
				c.File(target)
			}
		}
		c.CloseGently()
	})
	names := numbered(300)
	for i, r := range fetchKnown(t, newClient(t, Options{BaseURL: s.URL()}), version{modTime: 1_600_000_000}, names...) {
		if same := i%10 == 5; same != errors.Is(r.err, mirror.ErrNotModified) || !same && r.body != "/get/"+names[i] {
			t.Errorf("%s: %q, %v", names[i], r.body, r.err)
		}
	}
}
