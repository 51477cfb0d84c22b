package page

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"slices"
	"strings"
	"testing"

	"github.com/motefs/motefs/cache"
)

// counted counts how many entries of a directory are read.
type counted struct {
	*cache.Store
	entries int
}

func (c *counted) ReadNames(dir cache.Inode, from string, fn func([]byte, cache.Entry, error) bool) error {
	return c.Store.ReadNames(dir, from, func(name []byte, e cache.Entry, err error) bool { c.entries++; return fn(name, e, err) })
}

func (c *counted) ReadNamesBack(dir cache.Inode, before string, fn func([]byte, cache.Entry, error) bool) error {
	return c.Store.ReadNamesBack(dir, before, func(name []byte, e cache.Entry, err error) bool { c.entries++; return fn(name, e, err) })
}

// part is a listing as a browser has it.
type part struct {
	Path    []crumb
	Cut     bool
	Entries []entry
	Before  *string
	After   *string
}

func (r *part) names() (names []string) {
	for _, e := range r.Entries {
		names = append(names, e.Name.String())
	}
	return names
}

// TestPages goes through a long directory in both directions, and reads of it only what is
// shown.
func TestPages(t *testing.T) {
	const files = 20*maxEntries + 17
	store := openStore(t)
	names := numbered("file-%06d", files)
	list(t, store, names, pend)
	tree := &counted{Store: store}
	s := serve(t, tree)
	get := func(query string) *part {
		t.Helper()
		tree.entries = 0
		var r part
		s.get("/api/files?dir=1&"+query, 200, &r)
		if tree.entries > maxEntries+2 {
			t.Errorf("%s: %d entries are read", query, tree.entries)
		}
		return &r
	}
	var got []string
	r := get("")
	if r.Before != nil {
		t.Errorf("there is something before the first name")
	}
	for got = r.names(); r.After != nil; got = append(got, r.names()...) {
		r = get("after=" + *r.After)
	}
	if !slices.Equal(got, names) {
		t.Errorf("forwards: %d names, want %d", len(got), len(names))
	}
	r = get("end=1")
	if r.After != nil {
		t.Errorf("there is something after the last name")
	}
	for got = r.names(); r.Before != nil; got = append(r.names(), got...) {
		r = get("before=" + *r.Before)
	}
	if !slices.Equal(got, names) {
		t.Errorf("backwards: %d names, want %d", len(got), len(names))
	}
	if r = get("from=file-000444"); r.Entries[0].Name.String() != "file-000444" || r.Before == nil {
		t.Errorf("from a text: %q", r.Entries[0].Name)
	}
	if r = get("at=" + keyOf("file-000445")); r.Entries[0].Name.String() != "file-000445" {
		t.Errorf("at a key: %q", r.Entries[0].Name)
	}
	r = get("from=z")
	if len(r.Entries) != 0 || r.After != nil || r.Before == nil {
		t.Fatalf("behind the last name: %+v", r)
	}
	if r = get("before=" + *r.Before); r.names()[len(r.Entries)-1] != names[files-1] {
		t.Errorf("before what is behind the last name: %q", r.names())
	}
}

func TestEmptyDirectory(t *testing.T) {
	s := serve(t, openStore(t))
	for _, query := range []string{"", "?end=1", "?from=x"} {
		var r part
		s.get("/api/files"+query, 200, &r)
		if r.Entries == nil || len(r.Entries) > 0 || r.Before != nil || r.After != nil {
			t.Errorf("%s: %+v", query, r)
		}
	}
}

func TestStates(t *testing.T) {
	store := openStore(t)
	list(t, store, []string{"here"}, put(strings.ToUpper))
	list(t, store, []string{"pending"}, pend)
	list(t, store, []string{"failed"}, fails)
	list(t, store, []string{"gone"}, gone)
	list(t, store, []string{"dir/x"}, pend)
	s := serve(t, store)
	var r part
	s.get("/api/files", 200, &r)
	got := ""
	for _, e := range r.Entries {
		size := "?"
		if e.Size != nil {
			size = fmt.Sprint(*e.Size)
		}
		got += fmt.Sprintf("%s %s %s %s %s\n", e.Name, e.Kind, e.State, size, e.Reason)
	}
	want := "dir directory  ? \nfailed file failed ? answered status 500\ngone file gone ? \nhere file fetched 4 \npending file pending ? \n"
	if got != want {
		t.Errorf("\n%s, want\n%s", got, want)
	}
	dir := r.Entries[0]
	s.get(fmt.Sprintf("/api/files?dir=%d", dir.Inode), 200, &r)
	if len(r.Path) != 2 || r.Path[1].Name.String() != "dir" || r.Path[0].Inode != cache.RootInode || r.Cut {
		t.Errorf("the way to it is %+v", r.Path)
	}
	s.get(fmt.Sprintf("/api/files?dir=%d", r.Entries[0].Inode), 404, nil) // a file
}

func TestDeepDirectory(t *testing.T) {
	store := openStore(t)
	list(t, store, []string{strings.Repeat("d/", 100) + "file"}, pend)
	dir := cache.RootInode
	for range 100 {
		e, err := store.Lookup(dir, "d")
		if err != nil {
			t.Fatal(err)
		}
		dir = e.Inode
	}
	var r part
	serve(t, store).get(fmt.Sprintf("/api/files?dir=%d", dir), 200, &r)
	if !r.Cut || len(r.Path) != maxCrumbs || r.Path[maxCrumbs-1].Inode != dir {
		t.Errorf("cut %v, %d directories", r.Cut, len(r.Path))
	}
}

func pictureBytes(t *testing.T, w, h int) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, w, h))); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPreview(t *testing.T) {
	var animation bytes.Buffer
	if err := gif.Encode(&animation, image.NewPaletted(image.Rect(0, 0, 2, 2), color.Palette{color.Black, color.White}), nil); err != nil {
		t.Fatal(err)
	}
	store := openStore(t)
	long := strings.Repeat("0123456789abcde\n", 5000)
	cutLetter := strings.Repeat("x", previewBytes-1) + "é and more"
	contents := map[string]struct {
		content string
		text    bool
		picture string
	}{
		"empty": {"", true, ""}, "text": {"héllo\n\tworld\r\n", true, ""}, "nul": {"a\x00b", false, ""}, "latin1": {"h\xe9llo", false, ""},
		"cut": {"half a letter \xc3", false, ""}, "escape": {"\x1b[31mred", true, ""}, "bidi": {"\u202e", true, ""},
		"png": {pictureBytes(t, 20, 10), false, "image/png"}, "bomb": {pictureBytes(t, 8000, 8000), false, ""}, "gif": {animation.String(), false, "image/gif"},
		"svg": {`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`, true, ""}, "html": {"<!doctype html><script>alert(1)</script>", true, ""},
		"long": {long, true, ""}, "letter": {cutLetter, true, ""},
	}
	for name, c := range contents {
		if len(c.content) > store.InlineLimit() {
			list(t, store, []string{name}, putBlob(c.content))
		} else {
			list(t, store, []string{name}, put(func(string) string { return c.content }))
		}
	}
	list(t, store, []string{"pending"}, pend)
	list(t, store, []string{"failed"}, fails)
	list(t, store, []string{"gone"}, gone)
	s := serve(t, store)
	for name, c := range contents {
		var p preview
		s.get("/api/file?dir=1&name="+keyOf(name), 200, &p)
		if want := c.content[:min(len(c.content), previewBytes)]; string(p.Content) != want || p.State != stateFetched || *p.Size != int64(len(c.content)) {
			t.Errorf("%s: %d bytes of %d, %s", name, len(p.Content), len(c.content), p.State)
		}
		if p.Text != c.text || p.Picture != c.picture {
			t.Errorf("%s: text %v, picture %q", name, p.Text, p.Picture)
		}
	}
	for _, name := range []string{"pending", "failed", "gone"} {
		var p preview
		s.get("/api/file?dir=1&name="+keyOf(name), 200, &p)
		if p.Content != nil || p.State != name {
			t.Errorf("%s: %+v", name, p)
		}
		if (p.Reason != "") != (name == "failed") || (p.Tries > 0) != (name == "failed") {
			t.Errorf("%s: %q after %d tries", name, p.Reason, p.Tries)
		}
	}
}

// replaced is a store in which a file is replaced between two looks at it, some times.
type replaced struct {
	*cache.Store
	times int
}

func (r *replaced) ReadAt(ino cache.Inode, p []byte, off int64) (int, error) {
	if r.times > 0 {
		r.times--
		return 0, fmt.Errorf("read inode %d: %w", ino, cache.ErrNotFound)
	}
	return r.Store.ReadAt(ino, p, off)
}

func TestPreviewOfWhatIsReplaced(t *testing.T) {
	store := openStore(t)
	list(t, store, []string{"a"}, put(strings.ToUpper))
	tree := &replaced{Store: store, times: 1}
	s := serve(t, tree)
	var p preview
	s.get("/api/file?name="+keyOf("a"), 200, &p)
	if string(p.Content) != "A" {
		t.Errorf("%q", p.Content)
	}
	tree.times = 100
	s.get("/api/file?name="+keyOf("a"), 404, nil)
}

func TestFailuresInParts(t *testing.T) {
	store := openStore(t)
	names := numbered("bad/file-%04d", 2*maxFailures+1)
	list(t, store, names, fails)
	s := serve(t, store)
	var got []string
	for from := ""; ; {
		var l struct {
			Failures []failure
			Next     *string
		}
		s.get("/api/failures?from="+from, 200, &l)
		for _, f := range l.Failures {
			got = append(got, f.Name.String())
			var p preview
			s.get(fmt.Sprintf("/api/file?dir=%d&name=%s", f.Dir, f.Key), 200, &p)
			if p.State != stateFailed || f.Reason != "answered status 500" {
				t.Errorf("%s: %s, %s", f.Name, p.State, f.Reason)
			}
		}
		if l.Next == nil {
			break
		}
		from = *l.Next
	}
	if !slices.Equal(got, names) {
		t.Errorf("%q", got)
	}
}

// broken is a store that says that it is damaged.
type broken struct{ *cache.Store }

func (broken) ReadNames(cache.Inode, string, func([]byte, cache.Entry, error) bool) error {
	return fmt.Errorf("%w: block 7", cache.ErrCorrupt)
}

func TestDamagedStore(t *testing.T) {
	s := serve(t, broken{openStore(t)})
	var said struct{ Error string }
	s.get("/api/files", 500, &said)
	if !strings.Contains(said.Error, "block 7") || !strings.Contains(said.Error, "motefs verify") {
		t.Errorf("%q", said.Error)
	}
	if status, _ := statusOf(errors.New("disk")); status != 500 {
		t.Errorf("another error has status %d", status)
	}
}
