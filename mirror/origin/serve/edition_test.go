package serve

import (
	"bytes"
	"errors"
	"math"
	"net/http"
	"slices"
	"testing"

	"github.com/motefs/motefs/mirror/origin/origintest/rawhttp"
)

// listedBy is what the listing of src has to be.
func listedBy(src *Synthetic) (indexes []int64) {
	for k := range src.Len() {
		i := src.Listed(k)
		if !src.Removed(i) {
			indexes = append(indexes, i)
		}
		if extra, ok := src.Added(i); ok {
			indexes = append(indexes, extra)
		}
	}
	return indexes
}

// TestEditionIsServed lists and gets all files of many editions, in pages of many
// lengths.
func TestEditionIsServed(t *testing.T) {
	for _, o := range []SyntheticOptions{
		{Files: 40}, {Files: 40, FilesPerDir: 7}, {Files: 40, Shuffle: true}, {Files: 40, Shuffle: true, FilesPerDir: 3},
	} {
		for _, e := range []SyntheticEdition{
			{Changed: .2, Removed: .2, Added: .2}, {Removed: 1}, {Added: 1}, {Removed: 1, Added: 1}, {Changed: 1}, {Added: .5, Seed: 3},
		} {
			o.Edition = e
			src := NewSynthetic(o)
			var want []string
			for _, i := range listedBy(src) {
				want = append(want, src.Name(i))
			}
			for _, size := range []int{1, 7, 1000} {
				s := OpenTest(t, Options{PageSize: size}, src)
				pages := rawhttp.Pages(t, s.Addr(), "")
				if got := rawhttp.Names(pages); !slices.Equal(got, want) {
					t.Fatalf("%+v, pages of %d: got %q, want %q", o, size, got, want)
				}
				for _, p := range pages {
					if len(p.FileNames) > size {
						t.Errorf("%+v: %d names on a page of %d", o, len(p.FileNames), size)
					}
				}
			}
			if !o.Shuffle && !slices.IsSorted(want) {
				t.Errorf("%+v: listed out of order", o)
			}
			slices.Sort(want)
			if len(slices.Compact(want)) != len(listedBy(src)) {
				t.Errorf("%+v: a name is listed twice", o)
			}
			c := rawhttp.Dial(t, OpenTest(t, Options{}, src).Addr())
			for _, i := range listedBy(src) {
				if got, ok := src.Index([]byte(src.Name(i))); got != i || !ok {
					t.Fatalf("%+v: index of %q is %d, %v", o, src.Name(i), got, ok)
				}
				c.Send("/get/" + src.Name(i))
				c.Expect(200, string(src.Body(i)))
			}
			for i := range src.Len() {
				if src.Removed(i) {
					c.Send("/get/" + src.Name(i))
					c.Expect(404, "no such file\n")
				}
				if _, ok := src.Added(i); !ok {
					c.Send("/get/" + src.Name(i) + addedSuffix)
					c.Expect(404, "no such file\n")
				}
			}
		}
	}
}

// TestEditionChangesFiles compares every file with what it was.
func TestEditionChangesFiles(t *testing.T) {
	for _, o := range []SyntheticOptions{
		{}, {BodySize: -1}, {BodySize: 1}, {BodySize: 20, Compressible: true}, {BodySize: 64, Compressible: true}, {VarySize: true},
		{LargeEvery: 50, LargeSize: 3 << 20}, {Compressible: true, VarySize: true}, {Seed: 1},
	} {
		o.Files, o.Validators = 500, true
		was := NewSynthetic(o)
		o.Edition = SyntheticEdition{Changed: .3, Removed: .1, Added: .1}
		is := NewSynthetic(o)
		longer, shorter, same := 0, 0, 0
		for i := range o.Files {
			changed, before, now := is.Changed(i), was.Body(i), is.Body(i)
			if changed && is.Removed(i) {
				t.Errorf("%+v: file %d is changed and removed", o, i)
			}
			if changed == bytes.Equal(before, now) || changed == bytes.Equal(was.appendETag(nil, i), is.appendETag(nil, i)) {
				t.Fatalf("%+v: file %d: changed %v, of %d and %d bytes", o, i, changed, len(before), len(now))
			}
			if changed != is.ModTime(i).After(was.ModTime(i)) || !changed && is.ModTime(i) != was.ModTime(i) {
				t.Fatalf("%+v: file %d: changed %v, times %v and %v", o, i, changed, was.ModTime(i), is.ModTime(i))
			}
			rest := make([]byte, len(now)-len(now)/3)
			if _, err := is.Reader(i).ReadAt(rest, int64(len(now)/3)); len(rest) > 0 && err != nil || !bytes.Equal(rest, now[len(now)/3:]) {
				t.Fatalf("%+v: file %d: a part of it differs, %v", o, i, err)
			}
			switch {
			case len(now) > len(before):
				longer++
			case len(now) < len(before):
				shorter++
			case changed:
				same++
			}
			if extra, ok := is.Added(i); ok && len(before) >= 100 && bytes.Equal(is.Body(extra), before) {
				t.Errorf("%+v: what is added behind file %d has its body", o, i)
			}
		}
		if o.BodySize == 0 && (longer < 10 || shorter < 10 || same < 10) {
			t.Errorf("%+v: %d became longer, %d shorter, %d neither", o, longer, shorter, same)
		}
	}
}

func TestEditionFractions(t *testing.T) {
	const n = 100_000
	count := func(e SyntheticEdition) EditionCounts {
		return NewSynthetic(SyntheticOptions{Files: n, Edition: e}).EditionCounts()
	}
	got := count(SyntheticEdition{Changed: .01, Removed: .02, Added: .03})
	for what, c := range map[string][2]int64{"changed": {got.Changed, n / 100}, "removed": {got.Removed, n / 50}, "added": {got.Added, n * 3 / 100}} {
		if c[0] < c[1]*9/10 || c[0] > c[1]*11/10 {
			t.Errorf("%d are %s of %d, want about %d", c[0], what, n, c[1])
		}
	}
	for e, want := range map[SyntheticEdition]EditionCounts{
		{}:                       {},
		{Seed: 7}:                {},
		{Changed: -1, Added: -1}: {},
		{Changed: 1}:             {Changed: n},
		{Removed: 1, Changed: 1}: {Removed: n},
		{Added: 2}:               {Added: n},
		{Added: math.NaN()}:      {},
	} {
		if got := count(e); got != want {
			t.Errorf("%+v: %+v, want %+v", e, got, want)
		}
	}
	// Another seed touches other files, and makes others of them, later.
	a := NewSynthetic(SyntheticOptions{Files: n, Edition: SyntheticEdition{Changed: .5}})
	b := NewSynthetic(SyntheticOptions{Files: n, Edition: SyntheticEdition{Changed: .5, Seed: 1}})
	both := 0
	for i := range int64(n) {
		if !a.Changed(i) || !b.Changed(i) {
			continue
		}
		both++
		if bytes.Equal(a.Body(i), b.Body(i)) || !b.ModTime(i).After(a.ModTime(i)) {
			t.Fatalf("file %d is the same in two editions, or has times %v and %v", i, a.ModTime(i), b.ModTime(i))
		}
	}
	if both < n/5 || both > n*3/10 {
		t.Errorf("%d of %d are changed by both seeds", both, n)
	}
}

// TestEditionMarkers has a marker of one edition mean the same in all.
func TestEditionMarkers(t *testing.T) {
	plain := NewSynthetic(SyntheticOptions{Files: 10})
	added := NewSynthetic(SyntheticOptions{Files: 10, Edition: SyntheticEdition{Added: 1}})
	for marker, want := range map[string][2]string{
		"":   {plain.Name(0), plain.Name(0)},
		"3":  {plain.Name(3), plain.Name(3)},
		"0n": {plain.Name(1), plain.Name(0) + addedSuffix},
		"3n": {plain.Name(4), plain.Name(3) + addedSuffix},
		"9n": {"", plain.Name(9) + addedSuffix},
		"10": {"", ""},
	} {
		for k, src := range []*Synthetic{plain, added} {
			first := ""
			if _, err := src.Page(marker, 1, func(name []byte) { first = string(name) }); err != nil || first != want[k] {
				t.Errorf("%q: %q, %v, want %q", marker, first, err, want[k])
			}
		}
	}
	for _, marker := range []string{"n", "-1n", "10n", "3nn", "03n", "0"} {
		for _, src := range []*Synthetic{plain, added} {
			if _, err := src.Page(marker, 1, func([]byte) {}); !errors.Is(err, ErrMarker) {
				t.Errorf("%q: %v", marker, err)
			}
		}
	}
}

// TestSwitch changes an origin between two pages.
func TestSwitch(t *testing.T) {
	before := NewSynthetic(SyntheticOptions{Files: 30})
	after := NewSynthetic(SyntheticOptions{Files: 30, Edition: SyntheticEdition{Changed: .5, Removed: .5}})
	sw := NewSwitch(before)
	s := OpenTest(t, Options{PageSize: 10}, sw)
	page := func(marker string) string {
		_, body := rawhttp.Ask(t, s.Addr(), http.MethodGet, "/list?next-marker="+marker)
		return body
	}
	first := page("")
	sw.Set(after)
	if page("") == first {
		t.Error("the first page is as it was")
	}
	for i := range after.Len() {
		resp, body := rawhttp.Ask(t, s.Addr(), http.MethodGet, "/get/"+after.Name(i))
		if gone := after.Removed(i); gone != (resp.StatusCode == 404) || !gone && body != string(after.Body(i)) {
			t.Errorf("file %d: %d, %d bytes", i, resp.StatusCode, len(body))
		}
	}
	sw.Set(before)
	if page("") != first {
		t.Error("the first page is not as it was")
	}
}

// TestPageETags has an ETag stand for what is on a page, in every edition.
func TestPageETags(t *testing.T) {
	seen := map[string]string{} // the page of each ETag
	ask := func(addr, marker string, header ...string) (*http.Response, string) {
		return rawhttp.Ask(t, addr, http.MethodGet, "/list?next-marker="+marker, header...)
	}
	for _, o := range []SyntheticOptions{{Files: 100}, {Files: 101}, {Files: 100, FilesPerDir: 7}, {Files: 100, Shuffle: true}, {Files: 100, Shuffle: true, Seed: 1}} {
		for _, e := range []SyntheticEdition{{}, {Changed: 1}, {Removed: .02}, {Added: .02}, {Removed: .1, Added: .1}, {Added: 1}, {Removed: 1}} {
			o.Edition, o.Validators = e, true
			addr := OpenTest(t, Options{PageSize: 10}, NewSwitch(NewSynthetic(o))).Addr()
			for _, marker := range []string{"", "0n", "10", "20", "20n", "90", "95"} {
				resp, body := ask(addr, marker)
				tag := resp.Header.Get("ETag")
				if old, ok := seen[tag]; tag == "" || ok && old != body {
					t.Errorf("%+v: %q has ETag %s, as %q", o, body, tag, old)
				}
				seen[tag] = body
				resp, body = ask(addr, marker, "If-None-Match", tag)
				if resp.StatusCode != 304 || body != "" || resp.Header.Get("ETag") != tag || resp.Header.Get("Content-Type") != "" {
					t.Errorf("%+v: with ETag %s: %+v, %q", o, tag, resp, body)
				}
				if resp, _ := ask(addr, marker, "If-None-Match", `"x"`); resp.StatusCode != 200 {
					t.Errorf("%+v: with another ETag: %d", o, resp.StatusCode)
				}
			}
			if resp, _ := ask(addr, "x", "If-None-Match", "*"); resp.StatusCode != 400 {
				t.Errorf("a bad marker: %d", resp.StatusCode)
			}
		}
	}
	if len(seen) < 60 {
		t.Errorf("only %d pages", len(seen))
	}
	plain := NewSynthetic(SyntheticOptions{Files: 100})
	if resp, _ := ask(OpenTest(t, Options{}, plain).Addr(), "", "If-None-Match", "*"); resp.StatusCode != 200 || resp.Header.Get("ETag") != "" {
		t.Errorf("without validators: %+v", resp)
	}
	// A change elsewhere leaves a page's ETag as it is.
	was := NewSynthetic(SyntheticOptions{Files: 100_000, Validators: true})
	is := NewSynthetic(SyntheticOptions{Files: 100_000, Validators: true, Edition: SyntheticEdition{Removed: .0002}})
	same := 0
	for k := int64(0); k < was.Len(); k += 1000 {
		if bytes.Equal(was.pageETag(position{k: k}, 1000), is.pageETag(position{k: k}, 1000)) {
			same++
		}
	}
	if same < 60 || same == 100 {
		t.Errorf("%d of 100 pages are the same after 20 files of 100,000 were removed", same)
	}
}
