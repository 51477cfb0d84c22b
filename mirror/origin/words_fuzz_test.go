package origin

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire/files"
)

// found are the values at a path of keys in a decoded value.
func found(v any, path string) (all []any) {
	object, _ := v.(map[string]any)
	for key, value := range object {
		if key == path {
			all = append(all, value)
		}
		if rest, ok := strings.CutPrefix(path, key+"."); ok {
			all = append(all, found(value, rest)...)
		}
	}
	return all
}

// keyTwice reports whether an object of a valid JSON value has a key twice.
func keyTwice(raw []byte) bool {
	d := json.NewDecoder(bytes.NewReader(raw))
	var open []map[string]bool // nil for an array
	key := false
	for {
		token, err := d.Token()
		if err != nil {
			return false
		}
		switch token {
		case json.Delim('{'):
			open, key = append(open, map[string]bool{}), true
			continue
		case json.Delim('['):
			open, key = append(open, nil), false
			continue
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
		default:
			if key {
				name := token.(string)
				if open[len(open)-1][name] {
					return true
				}
				open[len(open)-1][name] = true
				key = false
				continue
			}
		}
		key = len(open) > 0 && open[len(open)-1] != nil
	}
}

// wantOf is what a decoded page says; ok is false where it is none.
func wantOf(v any, w *words) (names []string, sizes []int64, next string, ok bool) {
	at := found(v, w.names)
	if w.names == wholePage {
		at = []any{v}
	}
	if len(at) != 1 {
		return nil, nil, "", false
	}
	array, isArray := at[0].([]any)
	if !isArray && (at[0] != nil || w.names == wholePage) {
		return nil, nil, "", at[0] == nil
	}
	for _, e := range array {
		size := int64(-1)
		if _, isObject := e.(map[string]any); isObject {
			if at := found(e, w.size); len(at) == 1 {
				switch s := at[0].(type) {
				case json.Number:
					if n, err := strconv.ParseInt(s.String(), 10, 64); err == nil && n >= 0 {
						size = n
					}
				case string:
					if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 && s[0] != '+' {
						size = n
					}
				}
			}
			at := found(e, w.name)
			if len(at) != 1 {
				return nil, nil, "", false
			}
			e = at[0]
		}
		switch e := e.(type) {
		case string:
			names = append(names, e)
		case json.Number:
			if !integer([]byte(e.String())) {
				return nil, nil, "", false
			}
			names = append(names, e.String())
		default:
			return nil, nil, "", false
		}
		sizes = append(sizes, size)
	}
	if at := found(v, w.next); len(at) == 1 && w.names != wholePage {
		switch n := at[0].(type) {
		case string:
			next = n
		case json.Number:
			next = n.String()
		case nil:
		case bool:
			if n {
				return nil, nil, "", false
			}
		default:
			return nil, nil, "", false
		}
	}
	return names, sizes, next, true
}

// FuzzWordPage compares pages in other words with what encoding/json makes of them.
func FuzzWordPage(f *testing.F) {
	layouts := []words{
		{names: "d.files", next: "d.next", name: "name", size: "n.size", modTime: "t", etag: "e"},
		{names: wholePage, next: "x", name: "a.b", size: "a.c", modTime: "a.t", etag: "a.e"},
		{names: "files", next: "files.next", name: "name", size: "size", modTime: "mtime", etag: "etag"},
	}
	for _, p := range wordPages {
		for i := range layouts {
			f.Add(i, []byte(p.page))
		}
	}
	f.Add(0, []byte(`{"d":{"files":[{"name":"a","n":{"size":"12"},"t":3,"e":"x"},"b",3],"next":4},"x":[[]]}`))
	f.Add(0, []byte(`{"d":{"d":{"files":[]}},"d.files":[{"n.size":3,"name":"x\u00e9"}]}`))
	f.Add(1, []byte(`[{"a":{"b":"n","c":1,"t":"2023-11-14T22:13:20Z","e":"W/\"x\""}}, {"a.b":7}]`))
	f.Fuzz(func(t *testing.T, which int, raw []byte) {
		w := &layouts[uint(which)%uint(len(layouts))]
		kept := string(raw)
		s := wordSkimmer{skimmer: skimmer{b: raw}, words: w}
		err := s.page()
		var got []mirror.Listed
		skipped := 0
		if err == nil {
			for d := s.decoder(); d.more() > 0 && err == nil; {
				got, err = d.next(got, 3, func(string, error) { skipped++ })
			}
		}
		if string(raw) != kept {
			t.Fatal("the page was changed")
		}
		if err != nil && !errors.Is(err, mirror.ErrListing) {
			t.Fatal(err)
		}
		if err == nil && !json.Valid(raw) {
			t.Fatalf("%q is no JSON", raw)
		}
		for _, e := range got {
			if e.Size < -1 || e.ModTime < 0 || e.ETag != "" && !files.ValidETag(e.ETag) {
				t.Fatalf("%+v", e)
			}
		}
		if !json.Valid(raw) || !utf8.Valid(raw) || keyTwice(raw) || strings.Contains(strings.ToLower(kept), `\ud`) {
			return
		}
		if skipped > 0 {
			t.Fatalf("%q: left out %d names", raw, skipped)
		}
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{w.names, w.next} {
			if len(found(v, path)) > 1 {
				return // said in two ways
			}
		}
		wantNames, wantSizes, wantNext, ok := wantOf(v, w)
		if ok != (err == nil) {
			if !twoWays(v, w) {
				t.Fatalf("%q: %v, want %v", raw, err, ok)
			}
			return
		}
		if err != nil || twoWays(v, w) {
			return
		}
		var sizes []int64
		for _, e := range got {
			sizes = append(sizes, e.Size)
		}
		if !slices.Equal(names(got), wantNames) || !slices.Equal(sizes, wantSizes) || s.next != wantNext {
			t.Fatalf("%q: %q %v next %q, want %q %v next %q", raw, names(got), sizes, s.next, wantNames, wantSizes, wantNext)
		}
	})
}

// twoWays reports whether an entry says its name or size in two ways, as in
// {"a":{"b":1},"a.b":2}.
func twoWays(v any, w *words) bool {
	array, _ := v.([]any)
	if w.names != wholePage {
		for _, at := range found(v, w.names) {
			array, _ = at.([]any)
		}
	}
	for _, e := range array {
		if len(found(e, w.name)) > 1 || len(found(e, w.size)) > 1 {
			return true
		}
	}
	return false
}

// FuzzNextPage takes any marker, and any Link, for the next page: what is then asked for
// is one request line, of the same host.
func FuzzNextPage(f *testing.F) {
	for _, next := range []string{
		"m", "http://example.invalid/a?b=c d", "HTTPS://example.invalid:443/a", "http://example.invalid:80/", "http://other/a", "http://u:p@example.invalid/",
		`<http://example.invalid/x?y,z>; rel="next"`, `</a>; rel=prev, <?p=2>;REL="x  NEXT"`, `<//other/a>; rel=next`, "<http://example.invalid/a\r\nX: y>; rel=next", "<a", "http://[::1",
		`<a>; title="; rel=next", <b>; rel=next`,
	} {
		f.Add(next)
	}
	o := Options{BaseURL: "http://example.invalid/base", Layout: Layout{NamesField: wholePage, ListPath: "./?a=b"}}
	o.EnsureDefaults()
	b, l, err := o.resolve()
	if err != nil {
		f.Fatal(err)
	}
	c := &Client{base: b, layout: l}
	f.Fuzz(func(t *testing.T, next string) {
		link, err := c.nextLink(&pageRequest{target: l.list, links: [][]byte{[]byte(next)}})
		if err != nil && !errors.Is(err, mirror.ErrListing) {
			t.Fatal(err)
		}
		for _, marker := range []string{next, link} {
			target, err := c.page(marker)
			if err != nil {
				if !errors.Is(err, mirror.ErrListing) || strings.Contains(err.Error(), "u:p@") {
					t.Fatal(err)
				}
				continue
			}
			if !strings.HasPrefix(target, "/") || strings.ContainsFunc(target, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
				t.Fatalf("%q leads to %q", marker, target)
			}
			if wholeURL(marker) {
				u, err := url.Parse(marker)
				if err != nil || !strings.EqualFold(u.Hostname(), "example.invalid") || u.User != nil {
					t.Fatalf("%q leads to %q", marker, target)
				}
			} else if marker != "" && !strings.HasPrefix(target, "/base/?a=b&next-marker=") {
				t.Fatalf("%q leads to %q", marker, target)
			}
		}
	})
}
