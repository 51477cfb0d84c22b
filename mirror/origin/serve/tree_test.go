package serve

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror/origin/origintest/rawhttp"
)

// makeTree makes a directory with those files, each with its path as content.
func makeTree(tb testing.TB, files ...string) string {
	tb.Helper()
	dir := tb.TempDir()
	for _, name := range files {
		putFile(tb, dir, name, name)
	}
	return dir
}

// putFile writes one file and the directories above it.
func putFile(tb testing.TB, dir, name, content string) {
	tb.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		tb.Fatal(err)
	}
}

// openTree opens a tree that the test closes.
func openTree(tb testing.TB, dir string) *Tree {
	tb.Helper()
	tree, err := OpenTree(dir)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := errors.Join(tree.Close(), tree.Close()); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
	return tree
}

// pagesOf lists a source with pages of that length.
func pagesOf(tb testing.TB, src Source, limit int) []string {
	tb.Helper()
	var all []string
	for marker := ""; ; {
		n := 0
		next, err := src.Page(marker, limit, func(name []byte) {
			all = append(all, string(name))
			n++
		})
		if err != nil || n > limit || next != "" && n != limit {
			tb.Fatalf("page at %q: %d names, next %q, %v", marker, n, next, err)
		}
		if next == "" {
			return all
		}
		marker = next
	}
}

// treeFiles are paths whose order by bytes is not that of a simple walk.
var treeFiles = slices.Sorted(slices.Values([]string{
	"\x01", " ", "a", "a b/x", "a-dir/x", "a.txt", "ab", "b/a", "b/b/a", "b/b/b", "b/b.x", "b/b0", "b0", "c\\d", "d/e/f/g",
	"with \"quotes\"", "ä", "日本", "\xff\xfe",
}))

func TestTreeListing(t *testing.T) {
	dir := makeTree(t, treeFiles...)
	if err := os.MkdirAll(filepath.Join(dir, "b", "empty", "below"), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, old := range []bool{false, true} {
		if old {
			ageDirs(t, dir)
		}
		for limit := 1; limit <= len(treeFiles)+1; limit++ {
			if got := pagesOf(t, openTree(t, dir), limit); !slices.Equal(got, treeFiles) {
				t.Errorf("old %v, pages of %d: got %q, want %q", old, limit, got, treeFiles)
			}
		}
	}
	if got := pagesOf(t, openTree(t, t.TempDir()), 10); len(got) != 0 {
		t.Errorf("an empty tree has %q", got)
	}
}

// ageDirs makes all directories old enough to be cached.
func ageDirs(t *testing.T, dir string) {
	t.Helper()
	old := time.Now().Add(-time.Hour)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chtimes(path, old, old)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTreeOverHTTP(t *testing.T) {
	dir := makeTree(t, treeFiles...)
	big := strings.Repeat("0123456789abcdef", 200_000)
	putFile(t, dir, "z/big", big)
	s := OpenTest(t, Options{PageSize: 3}, openTree(t, dir))
	got := rawhttp.Names(rawhttp.Pages(t, s.Addr(), ""))
	if len(got) != len(treeFiles)+1 {
		t.Errorf("listed %q", got)
	}
	c := rawhttp.Dial(t, s.Addr())
	for _, name := range treeFiles {
		c.Send(rawhttp.GetTarget("", name))
		c.Expect(200, name)
	}
	c.Send("/get/z/big")
	resp := c.Expect(200, big)
	info, err := os.Stat(filepath.Join(dir, "z", "big"))
	if err != nil {
		t.Fatal(err)
	}
	if want := info.ModTime().UTC().Format(http.TimeFormat); resp.Header.Get("Last-Modified") != want {
		t.Errorf("last modified %q, want %q", resp.Header.Get("Last-Modified"), want)
	}
	etag := resp.Header.Get("ETag")
	if resp, _ := rawhttp.Ask(t, s.Addr(), "GET", "/get/z/big", "If-None-Match", etag); resp.StatusCode != 304 {
		t.Errorf("unchanged: %d", resp.StatusCode)
	}
	putFile(t, dir, "z/big", "changed")
	if resp, body := rawhttp.Ask(t, s.Addr(), "GET", "/get/z/big", "If-None-Match", etag); resp.StatusCode != 200 || body != "changed" {
		t.Errorf("changed: %d", resp.StatusCode)
	}
	if err := os.Remove(filepath.Join(dir, "z", "big")); err != nil {
		t.Fatal(err)
	}
	if resp, _ := rawhttp.Ask(t, s.Addr(), "GET", "/get/z/big"); resp.StatusCode != 404 {
		t.Errorf("removed: %d", resp.StatusCode)
	}
}

func TestTreeStaysInside(t *testing.T) {
	top := makeTree(t, "outside", "tree/in/file", "tree/file")
	dir := filepath.Join(top, "tree")
	for link, target := range map[string]string{
		"abs": filepath.Join(top, "outside"), "up": "../outside", "updir": "..", "deep": "in/../../outside",
		"inside": "file", "insidedir": "in", "self": "self", "dangling": "nothing",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o666); err != nil {
		t.Fatal(err)
	}
	tree := openTree(t, dir)
	if got, want := pagesOf(t, tree, 100), []string{"file", "in/file"}; !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	for name, there := range map[string]bool{
		"file": true, "in/file": true, "insidedir/file": true,
		"abs": false, "up": false, "updir/outside": false, "updir/tree/file": false, "deep": false, "inside": false,
		"self": false, "dangling": false, "fifo": false, "in": false, "": false, "/": false, ".": false, "..": false,
		"../outside": false, "in/../file": false, "./file": false, "/file": false, "file/": false, "in//file": false,
		"file/x": false, "file\x00": false, "nothing": false, strings.Repeat("n", 300): false, "self/x": false,
		filepath.Join(top, "outside"): false,
	} {
		var o Object
		err := tree.Get([]byte(name), &o)
		if there && err != nil || !there && !errors.Is(err, ErrNotFound) {
			t.Errorf("%.50q: %v, %q", name, err, o.Body)
		}
		o.close()
	}
}

func TestTreeChangesBetweenPages(t *testing.T) {
	dir := makeTree(t, "a/1", "a/2", "b/1", "b/2", "c/1")
	ageDirs(t, dir)
	tree := openTree(t, dir)
	var got []string
	add := func(name []byte) { got = append(got, string(name)) }
	next, err := tree.Page("", 3, add)
	if err != nil {
		t.Fatal(err)
	}
	// The directory of the marker goes, another comes, and one before it.
	if err := os.RemoveAll(filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	putFile(t, dir, "bb/new", "")
	putFile(t, dir, "a/3", "")
	if next, err = tree.Page(next, 3, add); err != nil || next != "" {
		t.Fatalf("next %q, %v", next, err)
	}
	if want := []string{"a/1", "a/2", "b/1", "bb/new", "c/1"}; !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
}

func TestTreeBadMarkers(t *testing.T) {
	tree := openTree(t, makeTree(t, "a"))
	for _, marker := range []string{"!", "YQ==", "Lg", "Li4", "L2E", "YQA"} { // "a" padded, ".", "..", "/a", "a\0"
		if _, err := tree.Page(marker, 1, func([]byte) {}); !errors.Is(err, ErrMarker) {
			t.Errorf("%q: %v", marker, err)
		}
	}
}

func TestOpenTreeErrors(t *testing.T) {
	dir := makeTree(t, "file")
	for _, path := range []string{filepath.Join(dir, "nothing"), filepath.Join(dir, "file")} {
		if tree, err := OpenTree(path); err == nil {
			t.Errorf("%s was opened", path)
			_ = tree.Close()
		}
	}
}

// TestTreeCache checks that a directory that does not change is read once,
// and that one which changes is read again.
func TestTreeCache(t *testing.T) {
	var files []string
	for i := range 100 {
		files = append(files, fmt.Sprintf("d/%03d", i))
	}
	dir := makeTree(t, files...)
	ageDirs(t, dir)
	tree := openTree(t, dir)
	if got := pagesOf(t, tree, 7); !slices.Equal(got, files) {
		t.Fatalf("listed %q", got)
	}
	first, err := tree.cache.read(tree, "d/", 1)
	if err != nil {
		t.Fatal(err)
	}
	second, err := tree.cache.read(tree, "d/", 1)
	if err != nil || &first[0] != &second[0] {
		t.Errorf("an unchanged directory was read again, %v", err)
	}
	putFile(t, dir, "d/100", "")
	if third, err := tree.cache.read(tree, "d/", 1); err != nil || len(third) != 101 {
		t.Errorf("a changed directory has %d entries, %v", len(third), err)
	}
}

func TestTreeFileShrinks(t *testing.T) {
	dir := makeTree(t)
	putFile(t, dir, "f", strings.Repeat("x", 8<<20))
	s := OpenTest(t, Options{}, openTree(t, dir))
	c := rawhttp.Dial(t, s.Addr())
	c.Send("/get/f")
	resp, err := http.ReadResponse(c.Reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "f"), 10); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if n, err := got.ReadFrom(resp.Body); err == nil && n != 8<<20 {
		t.Errorf("%d bytes and no error", n)
	}
	_ = resp.Body.Close()
	eventually.True(t, "the connection to end", func() bool { return s.Counts().OpenConns == 0 || got.Len() == 8<<20 })
}
