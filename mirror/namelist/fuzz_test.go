package namelist

import (
	"bytes"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// namesOf is what a list should be listed as, found out in the plainest way.
func namesOf(text string, null bool, maxLine int, urls *urls) (names []string, skipped int) {
	separator := "\n"
	if null {
		separator = "\x00"
	} else {
		text = strings.TrimPrefix(text, utf8BOM)
	}
	lines := strings.Split(text, separator)
	for i, line := range lines {
		if !null && i < len(lines)-1 {
			line = strings.TrimSuffix(line, "\r")
		}
		switch {
		case line == "":
		case len(line) > maxLine:
			skipped++
		case isURL([]byte(line)):
			if name, why := urls.name(nil, []byte(line)); why == nil {
				names = append(names, string(name))
			} else {
				skipped++
			}
		default:
			names = append(names, line)
		}
	}
	return names, skipped
}

// FuzzList lists any text, in pages of any size, from its beginning and from each
// marker, and compares that with what a plain split makes of it.
func FuzzList(f *testing.F) {
	for _, text := range []string{"", "a\nb\n", "\n\n\na", "a\r\nb\r", utf8BOM + "a\n", "a\x00b", files + "x%20y\nhttp://other/a\n", strings.Repeat("l", 300) + "\na", "\xff\xfea\x00\n"} {
		f.Add([]byte(text), false, uint8(10))
		f.Add([]byte(text), true, uint8(1))
	}
	f.Fuzz(func(t *testing.T, text []byte, null bool, size uint8) {
		if !null && (bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff"))) {
			return // it may be UTF-16
		}
		for _, format := range formats {
			if bytes.HasPrefix(text, []byte(format.begins)) {
				return
			}
		}
		path := writeList(t, string(text))
		open := func() *rig {
			l, err := Open(Options{Path: path, Null: null, Files: files, Log: zerolog.Nop()})
			if err != nil {
				t.Fatal(err)
			}
			l.maxLine = int(size)/2 + 1
			l.pageBytes = l.maxLine + 5
			return &rig{Lister: l, t: t}
		}
		r := open()
		defer r.Close()
		want, skips := namesOf(string(text), null, r.maxLine, &r.urls)
		got, err := r.walk("", -1)
		if err != nil || !slices.Equal(got.names, want) || len(got.skipped) != skips {
			t.Fatalf("%q: %q, %d left out, %v; want %q, %d", text, got.names, len(got.skipped), err, want, skips)
		}
		stop := len(got.markers) / 2
		first, err := r.walk("", stop)
		if err != nil {
			t.Fatal(err)
		}
		other := open()
		defer other.Close()
		rest, err := other.walk(first.markers[stop], -1)
		if all := slices.Concat(first.names, rest.names); err != nil || !slices.Equal(all, want) {
			t.Fatalf("%q in two parts at %q: %q, %v; want %q", text, first.markers[stop], all, err, want)
		}
	})
}

// FuzzURL compares what is taken of a URL with what package net/url makes of it.
func FuzzURL(f *testing.F) {
	for _, line := range []string{files, files + "a", files + "a%20b?c", files + "%2F", files + "a/../b", "HTTP://Host:81/base/get/%c3%a9", "http://host:81/base/geta", "https://host:81/base/get/a", files + "%", files + "%2e", files + "a#b", "http://u@host:81/base/get/a", files + "a b", "://", "a://b"} {
		f.Add(line)
	}
	u := newURLs(files)
	f.Fuzz(func(t *testing.T, line string) {
		if !isURL([]byte(line)) {
			return
		}
		name, why := u.name(nil, []byte(line))
		if why != nil {
			return
		}
		// As a client would ask for it, one component at a time.
		components := strings.Split(string(name), "/")
		for i, c := range components {
			if components[i] = url.PathEscape(c); c == "." || c == ".." {
				components[i] = strings.ReplaceAll(c, ".", "%2E")
			}
		}
		if again, why := u.name(nil, []byte(files+strings.Join(components, "/"))); why != nil || string(again) != string(name) {
			t.Fatalf("%q is %q, which is asked for as %q, which is %q, %v", line, name, components, again, why)
		}
		parsed, err := url.Parse(line)
		if err != nil {
			return // it has bytes that a URL should not have, as a space in its host
		}
		if parsed.User != nil || parsed.RawQuery != "" || parsed.Fragment != "" || !strings.EqualFold(parsed.Host, "host:81") || !strings.EqualFold(parsed.Scheme, "http") {
			t.Fatalf("%q is taken for %q: %+v", line, name, parsed)
		}
		if parsed.Path != "/base/get/"+string(name) {
			t.Fatalf("%q is taken for %q, and its path is %q", line, name, parsed.Path)
		}
		if strings.Count(parsed.EscapedPath(), "/") != strings.Count("/base/get/"+string(name), "/") {
			t.Fatalf("%q is taken for %q, with other slashes than %q", line, name, parsed.EscapedPath())
		}
	})
}

// FuzzMarker takes apart any marker: what is taken is written again as it was.
func FuzzMarker(f *testing.F) {
	for _, m := range []string{"", start().marker(false), start().marker(true), markerPrefix(false) + "1 2", "x"} {
		f.Add(m, false)
		f.Add(m, true)
	}
	f.Fuzz(func(t *testing.T, marker string, null bool) {
		p, err := parseMarker(marker, null)
		if err == nil && marker != "" && p.marker(null) != marker {
			t.Fatalf("%q is taken for %+v", marker, p)
		}
	})
}
