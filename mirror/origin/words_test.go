package origin

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire"
	"github.com/motefs/motefs/mirror/wire/files"
	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// entry is a Listed of a name alone, but for what is given of size, time and ETag.
func entry(name string, more ...any) mirror.Listed {
	e := mirror.Listed{Name: name, Size: -1}
	for i, v := range more {
		switch i {
		case 0:
			e.Size = int64(v.(int))
		case 1:
			e.ModTime = int64(v.(int))
		case 2:
			e.ETag = v.(string)
		}
	}
	return e
}

func entries(names ...string) (all []mirror.Listed) {
	for _, name := range names {
		all = append(all, entry(name))
	}
	return all
}

// wordPages are pages in other words.
var wordPages = []struct {
	layout  Layout
	page    string
	want    []mirror.Listed
	next    string
	skipped []string
	err     string
}{
	{layout: Layout{NamesField: "data.items", NextField: "meta.next"},
		page: `{"meta":{"total":3,"next":"n2"},"data":{"x":[{}],"items":["a","b"]}}`, want: entries("a", "b"), next: "n2"},
	{layout: Layout{NamesField: "data.items", NextField: "data.next"},
		page: `{"data":{"items":["a"],"next":17}}`, want: entries("a"), next: "17"},
	{layout: Layout{NamesField: "value", NextField: "@odata.nextLink"},
		page: `{"value":[{"name":"a"}],"@odata.nextLink":"m"}`, want: entries("a"), next: "m"},
	{layout: Layout{NamesField: "n", NextField: "a.b.c"},
		page: `{"n":[],"a":{"b.c":"x"}}`, next: "x"},
	{layout: Layout{NamesField: "results", NextField: "next"},
		page: `{"count":2,"next":null,"previous":null,"results":["a"]}`, want: entries("a")},
	{layout: Layout{NextField: "next"}, page: `{"FileNames":["a"],"next":false}`, want: entries("a")},
	{layout: Layout{NextField: "next"}, page: `{"FileNames":["a"],"next":""}`, want: entries("a")},
	{layout: Layout{NextField: "next"}, page: `{"FileNames":["a"]}`, want: entries("a")},
	{layout: Layout{NextField: "next"}, page: `{"FileNames":null,"next": 0 }`, next: "0"},
	{layout: Layout{NextField: "next"}, page: `{"FileNames":[],"next":"x","next":null,"next":""}`, next: "x"},
	{layout: Layout{NextField: "p.next"}, page: `{"FileNames":["a"],"p":null}`, want: entries("a")},
	{layout: Layout{NextField: "p.next"}, page: `{"FileNames":["a"],"p":{"next":"b"},"p":{}}`, want: entries("a"), next: "b"},
	{layout: Layout{NamesField: "."}, page: ` [ "a" , "b" ] `, want: entries("a", "b")},
	{layout: Layout{NamesField: "."}, page: `[]`},
	{layout: Layout{NamesField: "."}, page: `[12,"a",{"name":-3},{"x":{"y":[1,2]},"name":"b"}]`, want: entries("12", "a", "-3", "b")},
	{layout: Layout{NamesField: "files"}, page: `{"files":[{"name":"a","size":5,"mtime":"2023-11-14T22:13:20Z","etag":"\"x\""},
		{"etag":"d41d8","mtime":1700000000123,"size":"7","name":"b"},{"name":"c","size":0,"mtime":1700000000.75,"etag":"W/\"w\""}],"NextFile":"d"}`,
		want: []mirror.Listed{entry("a", 5, 1700000000, `"x"`), entry("b", 7, 1700000000, `"d41d8"`), entry("c", 0, 1700000000, `W/"w"`)}, next: "d"},
	{layout: Layout{NamesField: "files"}, page: `{"files":[{"name":"a","size":-1,"mtime":"yesterday","etag":"a\"b"},
		{"name":"b","size":1.5,"mtime":-7,"etag":9},{"name":"c","size":"many","mtime":null,"etag":""},{"name":"d","size":{},"mtime":[],"etag":{"x":1}},
		{"name":"e","size":9223372036854775808,"mtime":1e300,"etag":"\ud800"},{"name":"f","mtime":"Tue, 14 Nov 2023 22:13:20 GMT"},{"name":"g","mtime":"1700000000"}]}`,
		want: []mirror.Listed{entry("a"), entry("b"), entry("c"), entry("d"), entry("e"), entry("f", -1, 1700000000), entry("g", -1, 1700000000)}},
	{layout: Layout{NamesField: "files", NameField: "attributes.key", SizeField: "attributes.bytes", ModTimeField: "when", ETagField: "hash.md5"},
		page: `{"files":[{"attributes":{"bytes":3,"key":"a/b"},"when":1,"hash":{"sha":{"md5":1},"md5":"q"}}]}`,
		want: []mirror.Listed{entry("a/b", 3, 1, `"q"`)}},
	{layout: Layout{NamesField: "files"}, page: `{"files":[{"name":"a\u00e9\n\\"},{"n\u0061me":"b"},{"name":"x","name":"c"}]}`, want: entries("aé\n\\", "b", "c")},
	{layout: Layout{NamesField: "files"}, page: "{\"files\":[{\"name\":\"\xff\xfe\"},{\"name\":\"\"}]}", want: entries("\xff\xfe", "")},
	{layout: Layout{NamesField: "files"}, page: `{"files":[{"name":"\ud800"},"a","\udc00",{"name":"b"}]}`, want: entries("a", "b"),
		skipped: []string{`{"name":"\ud800"}`, `"\udc00"`}},
	{layout: Layout{NamesField: "files"}, page: `{"files":[{"name":"a"}],"files":["b","c"]}`, err: "files comes twice"},
	{layout: Layout{NamesField: "a.files"}, page: `{"a":{"files":null},"a.files":["b"]}`, err: "a.files comes twice"},

	{layout: Layout{NamesField: "files"}, page: `{"files":[{"size":1}]}`, err: `an entry without name: "{\"size\":1}"`},
	{layout: Layout{NamesField: "files"}, page: `{"files":[{"name":null}]}`, err: "an entry without name"},
	{layout: Layout{NamesField: "files"}, page: `{"files":[{"name":1.5}]}`, err: "neither a string nor an integer"},
	{layout: Layout{NamesField: "files"}, page: `{"files":[{"name":["a"]}]}`, err: "neither a string nor an integer"},
	{layout: Layout{NamesField: "files"}, page: `{"files":[1.5]}`, err: "neither a string nor an integer"},
	{layout: Layout{NamesField: "files"}, page: `{"files":[null]}`, err: "neither a name nor an object"},
	{layout: Layout{NamesField: "files"}, page: `{"files":[true]}`, err: "neither a name nor an object"},
	{layout: Layout{NamesField: "files"}, page: `{"files":[["a"]]}`, err: "neither a name nor an object"},
	{layout: Layout{NamesField: "files"}, page: `{"files":[{"name":"a"},]}`, err: "neither a name nor an object"},
	{layout: Layout{NamesField: "files"}, page: `{"files":{"a":{}}}`, err: "files is no array"},
	{layout: Layout{NamesField: "files"}, page: `{"FileNames":["a"]}`, err: "page without files"},
	{layout: Layout{NamesField: "files"}, page: `["a"]`, err: "not JSON at byte 0"},
	{layout: Layout{NamesField: "files"}, page: `{"files":[{"name":"a"]}`, err: "not JSON"},
	{layout: Layout{NamesField: "files"}, page: `{"files":[{"name":"a" "size":1}]}`, err: "not JSON"},
	{layout: Layout{NamesField: "files"}, page: `{"files":[{"name":"a"}] 7}`, err: "not JSON"},
	{layout: Layout{NamesField: "files"}, page: `{"files":[01]}`, err: "not JSON"},
	{layout: Layout{NamesField: "files"}, page: `{"files":[]} x`, err: "after the page"},
	{layout: Layout{NamesField: "."}, page: `{"FileNames":["a"]}`, err: "is no array"},
	{layout: Layout{NamesField: "a.b"}, page: `{"a":["x"]}`, err: "page without a.b"},
	{layout: Layout{NextField: "next"}, page: `{"FileNames":[],"next":true}`, err: "neither a string nor a number"},
	{layout: Layout{NextField: "next"}, page: `{"FileNames":[],"next":{"href":"x"}}`, err: "neither a string nor a number"},
	{layout: Layout{NextField: "next"}, page: `{"FileNames":[],"next":"\ud800"}`, err: "lone surrogate"},
	{layout: Layout{NextField: "next"}, page: `{"FileNames":[],"next":"http://example.invalid/list?page=2&token=s3cret"}`, err: "on another host"},
}

// TestWordPages decodes pages in other words, in pieces of one to three entries.
func TestWordPages(t *testing.T) {
	for i, p := range wordPages {
		c := newClient(t, Options{BaseURL: "http://127.0.0.1:1", Layout: p.layout})
		page, err := c.newPage([]byte(p.page), &pageRequest{marker: "m"})
		var got []mirror.Listed
		var skipped []string
		if err == nil {
			got, skipped, err = decode(page, nil, 1+i%3)
		}
		if p.err != "" {
			if !errors.Is(err, mirror.ErrListing) || !strings.Contains(err.Error(), p.err) || strings.Contains(err.Error(), "example.invalid/list?page=2&token=s3cret\", on") {
				t.Errorf("%s: %v, want %q", p.page, err, p.err)
			}
			continue
		}
		if err != nil || page.Next != p.next || !slices.Equal(got, p.want) || !slices.Equal(skipped, p.skipped) {
			t.Errorf("%s: %+v, without %q, next %q, %v", p.page, got, skipped, page.Next, err)
		}
	}
}

// walkTargets goes through a listing whose pages come by target, and returns the names.
func walkTargets(t *testing.T, o Options, responses map[string]string) (got []string, asked []string, err error) {
	t.Helper()
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for {
			target, ok := c.Next()
			if !ok {
				return
			}
			response := strings.ReplaceAll(responses[target], "HOST", c.Server().Addr())
			if head, body, ok := strings.Cut(response, "\r\n\n"); ok {
				c.Say("HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s", head, len(body), body)
			} else {
				c.File(response)
			}
		}
	})
	o.BaseURL = s.URL() + o.BaseURL
	c := newClient(t, o)
	for marker, first := "", true; first || marker != ""; first = false {
		page, err := c.List(t.Context(), marker)
		if err != nil {
			return got, s.Targets(), err
		}
		all, _, err := decode(page, nil, 2)
		if err != nil {
			return got, s.Targets(), err
		}
		got, marker = append(got, names(all)...), page.Next
	}
	return got, s.Targets(), nil
}

// TestWalkInOtherWords walks listings whose next page is said in different ways.
func TestWalkInOtherWords(t *testing.T) {
	for _, tc := range []struct {
		name      string
		base      string
		layout    Layout
		responses map[string]string
	}{
		{"marker", "/api", Layout{ListPath: "v1/keys?limit=2", MarkerParam: "page[after]", NamesField: "keys", NextField: "cursor"}, map[string]string{
			"/api/v1/keys?limit=2": `{"keys":["a","b"],"cursor":"x/y&"}`, "/api/v1/keys?limit=2&page%5Bafter%5D=x%2Fy%26": `{"keys":["c"]}`}},
		{"whole URL", "/api", Layout{ListPath: "items/", NamesField: "results", NextField: "next"}, map[string]string{
			"/api/items/": `{"results":["a","b"],"next":"http://HOST/api/items/?page=2"}`, "/api/items/?page=2": `{"results":[{"name":"c"}],"next":null}`}},
		{"whole URL of https behind a proxy that is asked by http", "", Layout{ListPath: ".", NamesField: "results", NextField: "next"}, map[string]string{
			"/": `{"results":["a","b"],"next":"HTTPS://HOST/other?page=2#x"}`, "/other?page=2": `{"results":["c"]}`}},
		{"Link", "/base", Layout{ListPath: "./", NamesField: "."}, map[string]string{
			"/base/":          "200 OK\r\nLink: <http://HOST/base/>; rel=\"first\", <?page=2,1>; foo=bar; rel=\"x next\"\r\n\n" + `[{"name":"a"}]`,
			"/base/?page=2,1": "200 OK\r\nLink: <?page=1>; rel=prev\r\nLink: <http://HOST/base/?page=3>; rel=next\r\n\n" + `[{"name":"b"}]`,
			"/base/?page=3":   `["c"]`}},
		{"slash at the end by redirect", "", Layout{ListPath: "items", NextField: "next"}, map[string]string{
			"/items": "301 Moved\r\nLocation: /items/\r\n\n", "/items/": `{"FileNames":["a","b","c"],"next":null}`}},
		{"paths alone", "/x", Layout{ListPath: "names", MarkerParam: "from"}, map[string]string{
			"/x/names": `{"FileNames":["a","b"],"NextFile":"c"}`, "/x/names?from=c": `{"FileNames":["c"]}`}},
	} {
		got, asked, err := walkTargets(t, Options{BaseURL: tc.base, Layout: tc.layout}, tc.responses)
		if err != nil || !slices.Equal(got, []string{"a", "b", "c"}) {
			t.Errorf("%s: %q, asked for %q, %v", tc.name, got, asked, err)
		}
	}
	_, asked, err := walkTargets(t, Options{Layout: Layout{ListPath: "items", NextField: "next"}}, map[string]string{
		"/items": "302 Found\r\nLocation: /login/\r\n\n", "/login/": `{"FileNames":["a"]}`})
	if !errors.Is(err, mirror.ErrRedirect) {
		t.Errorf("a redirect to /login/: %v, asked for %q", err, asked)
	}
}

// TestMarkersOfAnotherListing has a checkpoint and an ETag of one listing come to another.
func TestMarkersOfAnotherListing(t *testing.T) {
	conditions := make(chan string, 10)
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for {
			target, ok := c.Next()
			if !ok {
				return
			}
			conditions <- c.Field("If-None-Match")
			page := `{"FileNames":["a"],"NextFile":"b","next":"b"}`
			if strings.HasSuffix(target, "=b") {
				page = `{"FileNames":["b"]}`
			}
			c.Say("HTTP/1.1 200 OK\r\nETag: \"v\"\r\nContent-Length: %d\r\n\r\n%s", len(page), page)
		}
	})
	clients := []*Client{
		newClient(t, Options{BaseURL: s.URL()}),
		newClient(t, Options{BaseURL: s.URL(), Layout: Layout{NextField: "next"}}),
		newClient(t, Options{BaseURL: s.URL(), Layout: Layout{NextField: "next", ListPath: "other"}}),
	}
	for i, from := range clients {
		first, err := from.List(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		<-conditions
		for j, to := range clients {
			_, err := to.List(t.Context(), first.Next)
			if i == j {
				<-conditions
			}
			if (err == nil) != (i == j) || err != nil && (!errors.Is(err, mirror.ErrListing) || !strings.Contains(err.Error(), "another kind of listing")) {
				t.Errorf("the marker of %d at %d: %v", i, j, err)
			}
			if _, err := to.ListIf(t.Context(), "", first.ETag); err != nil {
				t.Error(err)
			}
			if condition := <-conditions; (condition == `"v"`) != (i == j) {
				t.Errorf("the ETag of %d is sent by %d: %q", i, j, condition)
			}
		}
	}
}

// TestOnePage has a listing end with its first page.
func TestOnePage(t *testing.T) {
	for _, tc := range []struct {
		layout      Layout
		marker      string
		page, lacks string
	}{
		{Layout{}, "", `{"FileNames":["a"]}`, ""},
		{Layout{NextField: "next"}, "", `{"FileNames":["a"]}`, `field "next"`},
		{Layout{NextField: "next"}, "m", `{"FileNames":["a"]}`, ""},
		{Layout{NextField: "next"}, "", `{"FileNames":["a"],"next":null}`, ""},
		{Layout{NextField: "next"}, "", `{"FileNames":["a"],"next":"b"}`, ""},
		{Layout{NamesField: "."}, "", `["a"]`, `Link with rel="next"`},
	} {
		lacks := ""
		c := newClient(t, Options{BaseURL: "http://127.0.0.1:1", Layout: tc.layout, OnOnePage: func(l string) { lacks += l }})
		if _, err := c.newPage([]byte(tc.page), &pageRequest{marker: tc.marker}); err != nil || lacks != tc.lacks {
			t.Errorf("%s at %q lacks %q, %v", tc.page, tc.marker, lacks, err)
		}
	}
}

// TestGetPath has files stand elsewhere than below get.
func TestGetPath(t *testing.T) {
	s := wiretest.Serve(t, wiretest.Echo)
	for path, want := range map[string]string{"": "/b/get/", "get": "/b/get/", ".": "/b/", "./": "/b/", "/": "/b/", "a b/": "/b/a%20b/", "./x/": "/b/x/", "/v1/objects": "/b/v1/objects/", "x%2Fy": "/b/x%2Fy/"} {
		l := Layout{GetPath: path}
		c := newClient(t, Options{BaseURL: s.URL() + "/b", Layout: l, Options: wire.Options{Pipeline: 1}})
		for _, name := range []string{"a", "a//b", "/", "..", "a/../é?#%", ""} {
			r := fetchAll(t, c, name)[0]
			if expect := want + string(files.AppendName(nil, name)); r.err != nil || r.body != expect {
				t.Errorf("get path %q: %q, %v; want %q", path, r.body, r.err, expect)
			}
		}
		if got := "/b" + l.FilesBelow(); got != want {
			t.Errorf("files of %q are below %q, not %q", path, got, want)
		}
	}
}

func TestLayoutProblems(t *testing.T) {
	for _, tc := range []struct {
		layout Layout
		says   string
	}{
		{Layout{ListPath: "a#b"}, "list path"},
		{Layout{ListPath: "http://host/list"}, "behind the base URL"},
		{Layout{GetPath: "get?name="}, "get path"},
		{Layout{GetPath: "https://host/"}, "behind the base URL"},
		{Layout{MarkerParam: "page="}, "marker parameter"},
		{Layout{NamesField: "x", NextField: "x"}, "cannot both"},
	} {
		if _, err := New(Options{BaseURL: "http://127.0.0.1:1", Layout: tc.layout}); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%+v: %v", tc.layout, err)
		}
	}
	if reflect.ValueOf(Layout{}).NumField() != 9 {
		t.Error("a field that EnsureDefaults may not know")
	}
}
