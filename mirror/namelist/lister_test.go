package namelist

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/motefs/motefs/mirror"
)

// TestLists has lists of every kind, good and bad, with what is listed of each and what
// is told.
func TestLists(t *testing.T) {
	long := strings.Repeat("l", 49)
	for _, tc := range []struct {
		name, text string
		null       bool
		want       []string
		skipped    []error
		tells      []string // parts of what is logged, a line each
	}{
		{name: "plain", text: "a\nb/c\n", want: []string{"a", "b/c"}},
		{name: "empty", text: "", tells: []string{"is empty"}},
		{name: "empty lines", text: "\n\na\n\nb\n\n", want: []string{"a", "b"}},
		{name: "no end", text: "a\nb", want: []string{"a", "b"}, tells: []string{"no end behind it"}},
		{name: "mark", text: "\xef\xbb\xbfa\nb\n", want: []string{"a", "b"}, tells: []string{"byte order mark"}},
		{name: "a mark alone", text: "\xef\xbb\xbf", want: nil},
		{name: "mark in the middle", text: "a\n\xef\xbb\xbfb\n", want: []string{"a", "\xef\xbb\xbfb"}},
		{name: "carriage returns", text: "a\r\nb\r\r\n\r\nc\rd\n", want: []string{"a", "b\r", "c\rd"}, tells: []string{"carriage return"}},
		{name: "a carriage return and no end", text: "a\nb\r", want: []string{"a", "b\r"}, tells: []string{"no end behind it"}},
		{name: "everything twice", text: "a\nb\na\nb\n", want: []string{"a", "b", "a", "b"}},
		{name: "odd names", text: "//a\n/\n.\n..\na/../b\n./x\n \n\xff\xfe\na%2Fb?c#d\na:b//\n", want: []string{"//a", "/", ".", "..", "a/../b", "./x", " ", "\xff\xfe", "a%2Fb?c#d", "a:b//"}},
		{name: "NUL", text: "a\x00b\n\x00\x00c\r\n", null: true, want: []string{"a", "b\n", "c\r\n"}, tells: []string{"no end behind it"}},
		{name: "NUL and a mark", text: "\xef\xbb\xbfa\x00", null: true, want: []string{"\xef\xbb\xbfa"}},
		{name: "NUL where lines are meant", text: "a\x00b\x00", want: []string{"a\x00b\x00"}, tells: []string{"give -0", "no end behind it"}},
		{name: "URLs", text: files + "a\n" + files + "b%20c\nHTTP://HOST:81/base/get/x%c3%a9\nd\n" + files + "\n", want: []string{"a", "b c", "xé", "d", ""}},
		{name: "URLs of others", text: "http://other:81/base/get/a\nhttps://host:81/base/get/a\nhttp://host/base/get/a\nftp://host:81/base/get/a\nhttp://host:81/base/b\na\n",
			want: []string{"a"}, skipped: []error{errHost, errHost, errHost, errScheme, errBelow},
			tells: []string{"another host", "neither http nor https", "not below"}},
		{name: "URLs that would be asked for otherwise",
			text: files + "a?b=secret\n" + files + "a#b\n" + files + "a%2fb\n" + files + "a%2\n" + files + "%zz\n" + files + "a/../b\n" + files + ".%2e\nhttp://u:secret@host:81/base/get/a\n" + files + "%2E%2e/%2e\n",
			want: []string{"../."}, skipped: []error{errQuery, errFragment, errSlash, errEscape, errEscape, errDots, errDots, errUserInfo},
			tells: []string{"a query", "a fragment", "an encoded slash", "begins no escape", "leads elsewhere", "user-info"}},
		{name: "long lines", text: "a\n" + long + "\nb\n" + strings.Repeat(long, 7) + "\nc\n" + strings.Repeat(long, 3), want: []string{"a", "b", "c"},
			skipped: []error{errLong, errLong, errLong}, tells: []string{"a line over 65536 bytes"}},
		{name: "long lines alone", text: strings.Repeat(long, 7) + "\n", skipped: []error{errLong}, tells: []string{"a line over"}},
		{name: "a long line that ends with a page", text: strings.Repeat("l", 127) + "\na\n", want: []string{"a"}, skipped: []error{errLong}, tells: []string{"a line over"}},
	} {
		for _, how := range []struct {
			name string
			text string
		}{{"plain", tc.text}, {"gzip", gzipped(t, tc.text)}, {"gzip of two members", gzipped(t, tc.text[:len(tc.text)/2], tc.text[len(tc.text)/2:])}, {"zstd", zstandard(t, tc.text[:len(tc.text)/3], tc.text[len(tc.text)/3:])}} {
			r := openList(t, Options{Path: writeList(t, how.text), Null: tc.null})
			got, err := r.walk("", -1)
			if err != nil || !slices.Equal(got.names, tc.want) || !slices.Equal(got.whys, tc.skipped) {
				t.Errorf("%s, %s: %q, without %q %v, %v", tc.name, how.name, got.names, got.skipped, got.whys, err)
			}
			log := r.log.String()
			for _, text := range tc.tells {
				if !strings.Contains(log, text) {
					t.Errorf("%s, %s: nothing of %q in %s", tc.name, how.name, text, log)
				}
			}
			if (log == "") != (len(tc.tells) == 0) && tc.name != "a mark alone" || strings.Count(log, "\n") > len(tc.tells) && tc.name != "a mark alone" || strings.Contains(log+strings.Join(got.skipped, ""), "secret") {
				t.Errorf("%s, %s: it tells %s", tc.name, how.name, log)
			}
			if n, whole := r.Counted(); !whole || n != int64(len(tc.want)+len(tc.skipped)) {
				t.Errorf("%s, %s: counted %d, %v", tc.name, how.name, n, whole)
			}
		}
	}
}

// TestNoList has what is no list be refused, at once where it is a file.
func TestNoList(t *testing.T) {
	dir := t.TempDir()
	at := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tc := range []struct {
		path string
		want error
		says string
	}{
		{filepath.Join(dir, "nothing"), os.ErrNotExist, "nothing"},
		{dir, ErrFormat, "directory"},
		{at("a.xz", "\xfd7zXZ\x00\x00"), ErrFormat, "xz file; give its text"},
		{at("a.bz2", "BZh91AY"), ErrFormat, "bzip2"},
		{at("a.zip", "PK\x03\x04..."), ErrFormat, "zip"},
		{at("empty.gz", ""), ErrDamaged, "empty"},
		{at("empty.zst", ""), ErrDamaged, "empty"},
		{at("cut.gz", "\x1f\x8b\x08"), ErrDamaged, "cut.gz"},
	} {
		if _, err := tryList(t, Options{Path: tc.path}); !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", tc.path, err)
		}
	}
	r := openList(t, Options{Path: at("utf16", "\xff\xfea\x00\n\x00")})
	if _, err := r.walk("", -1); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "iconv") {
		t.Errorf("UTF-16: %v", err)
	}
	r = openList(t, Options{Path: at("plain.gz", "a\n")})
	if got, err := r.walk("", -1); err != nil || !slices.Equal(got.names, []string{"a"}) {
		t.Errorf("a plain list called .gz: %q, %v", got.names, err)
	}
}

// TestCutList cuts a compressed list at every byte: no page of it is the last one.
func TestCutList(t *testing.T) {
	text := strings.Join(numbered(60), "\n") + "\n"
	for _, whole := range []string{gzipped(t, text), gzipped(t, text[:300], text[300:]), zstandard(t, text), zstandard(t, text[:300], text[300:])} {
		ended := 0
		for n := 7; n < len(whole); n++ {
			r, err := tryList(t, Options{Path: writeList(t, whole[:n])})
			if err == nil {
				_, err = r.walk("", -1)
			}
			if err == nil {
				ended++ // between two members it is a whole list, as gzip and zstd take it too
			} else if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "names") {
				t.Fatalf("cut at %d of %d: %v", n, len(whole), err)
			}
		}
		if ended > 1 {
			t.Errorf("%d of %d cuts are not noticed", ended, len(whole))
		}
	}
}

// TestResume lists from each marker on, with a Lister of its own and with one that has
// read on: together it is the whole list.
func TestResume(t *testing.T) {
	names := numbered(100)
	text := strings.Join(names, "\n") + "\n"
	for _, whole := range []string{text, gzipped(t, text), zstandard(t, text)} {
		path := writeList(t, whole)
		again := openList(t, Options{Path: path})
		all, err := again.walk("", -1)
		if err != nil || len(all.markers) < 10 {
			t.Fatalf("%d pages, %v", len(all.markers), err)
		}
		for stop := range all.markers {
			first, err := openList(t, Options{Path: path}).walk("", stop)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range []*rig{openList(t, Options{Path: path}), again} {
				rest, err := r.walk(first.markers[stop], -1)
				if got := append(slices.Clone(first.names), rest.names...); err != nil || !slices.Equal(got, names) {
					t.Fatalf("from page %d on: %q, %v", stop, got, err)
				}
				if _, whole := r.Counted(); whole != (stop == 0) {
					t.Errorf("from page %d on all are counted: %v", stop, whole)
				}
			}
		}
	}
}

// TestChangedList changes a list before the checkpoint, and behind it.
func TestChangedList(t *testing.T) {
	text := strings.Join(numbered(100), "\n") + "\n"
	got, err := openList(t, Options{Path: writeList(t, text)}).walk("", 4)
	if err != nil {
		t.Fatal(err)
	}
	marker := got.markers[4]
	at, err := parseMarker(marker, false)
	if err != nil {
		t.Fatal(err)
	}
	other := []byte(text)
	other[at.offset-2] ^= 1
	for _, tc := range []struct {
		text string
		want error
	}{
		{string(other), ErrChanged},
		{"x" + text, ErrChanged},
		{text[2:], ErrChanged},
		{text[:at.offset-1], ErrChanged},
		{"", ErrChanged},
		{text[:at.offset], nil},
		{text + "more\n", nil},
		{text[:at.offset] + "other\n", nil},
	} {
		r := openList(t, Options{Path: writeList(t, tc.text)})
		rest, err := r.walk(marker, -1)
		if !errors.Is(err, tc.want) || tc.want != nil && !errors.Is(err, mirror.ErrListing) || mirror.Temporary(err) {
			t.Errorf("%.20q, %d bytes: %v", tc.text, len(tc.text), err)
		}
		if want := tc.text; tc.want == nil && strings.Join(rest.names, "\n") != strings.TrimSuffix(want[at.offset:], "\n") {
			t.Errorf("%q behind the checkpoint", rest.names)
		}
		if tc.want != nil { // and then it can be listed from its beginning
			if all, err := r.walk("", -1); err != nil || strings.Join(all.names, "\n") != strings.TrimSuffix(tc.text, "\n") {
				t.Errorf("from the beginning: %q, %v", all.names, err)
			}
		}
	}
	null := openList(t, Options{Path: writeList(t, text), Null: true})
	for _, refused := range []string{marker, "f", "\x00motefs:list 12345678 x", markerPrefix(true), markerPrefix(true) + "-1 0000000000000000", markerPrefix(true) + "1 0", markerPrefix(true) + "01 0000000000000000"} {
		if _, err := null.List(t.Context(), refused); !errors.Is(err, mirror.ErrListing) || mirror.Temporary(err) {
			t.Errorf("marker %q: %v", refused, err)
		}
	}
}

// TestChangedWhileRead changes a list while it is read, in each way: there is no last page.
func TestChangedWhileRead(t *testing.T) {
	text := strings.Join(numbered(100), "\n") + "\n"
	for name, change := range map[string]func(path string) error{
		"appended": func(path string) error {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = io.WriteString(f, "more\n")
			return errors.Join(err, f.Close())
		},
		"cut":      func(path string) error { return os.Truncate(path, 500) },
		"replaced": func(path string) error { return os.Rename(writeList(t, text), path) },
		"removed":  os.Remove,
	} {
		path := writeList(t, text)
		r := openList(t, Options{Path: path})
		first, err := r.walk("", 3)
		if err != nil {
			t.Fatal(err)
		}
		if err := change(path); err != nil {
			t.Fatal(err)
		}
		if _, err := r.walk(first.markers[3], -1); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "while it was read") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// pipe returns a pipe that is written to in pieces, by a seed.
func pipe(t *testing.T, text string, end bool) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		for len(text) > 0 {
			n := 1 + rng.IntN(min(len(text), 40))
			if _, err := io.WriteString(w, text[:n]); err != nil {
				return
			}
			text = text[n:]
		}
		if end {
			w.Close()
		}
	}()
	t.Cleanup(func() { r.Close(); <-wrote; w.Close() })
	return r
}

// TestStdin lists what comes from a pipe, and goes on with another one that has the same.
func TestStdin(t *testing.T) {
	names := numbered(100)
	text := strings.Join(names, "\n") + "\n"
	for _, whole := range []string{text, gzipped(t, text), zstandard(t, text)} {
		r := openList(t, Options{Path: "-", Stdin: pipe(t, whole, true)})
		first, err := r.walk("", 3)
		if err != nil || !r.Once() {
			t.Fatal(err)
		}
		marker := first.markers[3]
		rest, err := r.walk(marker, -1)
		if got := append(slices.Clone(first.names), rest.names...); err != nil || !slices.Equal(got, names) {
			t.Fatalf("%q, %v", got, err)
		}
		for range 2 {
			if _, err := r.List(t.Context(), ""); !errors.Is(err, ErrOnce) || !strings.Contains(err.Error(), "write it into a file") {
				t.Errorf("from the beginning again: %v", err)
			}
		}
		again := openList(t, Options{Path: "-", Stdin: pipe(t, whole, true)})
		if rest, err = again.walk(marker, -1); err != nil || !slices.Equal(append(slices.Clone(first.names), rest.names...), names) {
			t.Errorf("in another process: %q, %v", rest.names, err)
		}
	}
	r := openList(t, Options{Path: "-", Stdin: pipe(t, text, true)})
	first, err := r.walk("", 3)
	if err != nil {
		t.Fatal(err)
	}
	other := openList(t, Options{Path: "-", Stdin: pipe(t, "x"+text, true)})
	for _, marker := range []string{first.markers[3], ""} {
		if _, err := other.walk(marker, -1); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "write it into a file") {
			t.Errorf("another list at %q: %v", marker, err)
		}
	}
	cut := openList(t, Options{Path: "-", Stdin: pipe(t, gzipped(t, text)[:100], true)})
	if _, err := cut.walk("", -1); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "standard input, behind byte") {
		t.Errorf("a pipe that is cut: %v", err)
	}
}

// TestSlowPipe has a pipe give a few names, and then nothing: they are listed, and a wait
// for more ends with its context.
func TestSlowPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	l := openList(t, Options{Path: "-", Stdin: r})
	if _, err := io.WriteString(w, "first\nsecond\nthi"); err != nil {
		t.Fatal(err)
	}
	got, err := l.walk("", 1)
	if err != nil || !slices.Equal(got.names, []string{"first", "second"}) {
		t.Fatalf("%q, %v", got.names, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := l.List(ctx, got.markers[1])
		ended <- err
	}()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("a wait that was cancelled: %v", err)
	}

	closed := openList(t, Options{Path: "-", Stdin: r})
	listing := make(chan struct{})
	go func() {
		close(listing)
		_, err := closed.List(t.Context(), "")
		ended <- err
	}()
	<-listing
	if err := errors.Join(closed.Close(), closed.Close()); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("a page after Close")
	}
}

// TestFIFO has a list come from a named pipe, which is opened before anybody writes to it.
func TestFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	r := openList(t, Options{Path: path})
	wrote := make(chan error)
	go func() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err == nil {
			_, err = io.WriteString(f, "a\nb\n")
			err = errors.Join(err, f.Close())
		}
		wrote <- err
	}()
	got, err := r.walk("", -1)
	if err := errors.Join(err, <-wrote); err != nil || !slices.Equal(got.names, []string{"a", "b"}) || !r.Once() {
		t.Errorf("%q, %v", got.names, err)
	}
}
