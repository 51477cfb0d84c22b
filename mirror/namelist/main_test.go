package namelist

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror"
	"github.com/rs/zerolog"
)

func TestMain(m *testing.M) { eventually.AllEnded(m) }

const files = "http://host:81/base/get/"

// rig is a list in a file, and what its Lister logs.
type rig struct {
	*Lister
	t   *testing.T
	log *bytes.Buffer
}

// openList opens a list with small pages, so that it has several.
func openList(t *testing.T, o Options) *rig {
	t.Helper()
	r, err := tryList(t, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func tryList(t *testing.T, o Options) (*rig, error) {
	t.Helper()
	log := &bytes.Buffer{}
	o.Log = zerolog.New(log)
	if o.Files == "" {
		o.Files = files
	}
	l, err := Open(o)
	if err != nil {
		return nil, err
	}
	l.pageBytes, l.maxLine = 64, 48
	t.Cleanup(func() { l.Close() })
	return &rig{l, t, log}, nil
}

func writeList(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "names")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func gzipped(t *testing.T, texts ...string) string {
	t.Helper()
	var b bytes.Buffer
	for _, text := range texts { // a member each
		w := gzip.NewWriter(&b)
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func zstandard(t *testing.T, texts ...string) string {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var b []byte
	for _, text := range texts { // a frame each
		b = w.EncodeAll([]byte(text), b)
	}
	return string(b)
}

// listed is what came of a list, from a marker on.
type listed struct {
	names, skipped, markers []string // the last marker is that of the last page
	whys                    []error
}

// walk lists from a marker on, until the end or until stop pages were listed.
func (r *rig) walk(marker string, stop int) (got listed, err error) {
	r.t.Helper()
	for n := 0; n != stop; n++ {
		got.markers = append(got.markers, marker)
		page, err := r.List(r.t.Context(), marker)
		if err != nil {
			return got, err
		}
		names, skipped, whys, err := decode(page)
		if err != nil {
			return got, err
		}
		got.names, got.skipped, got.whys = append(got.names, names...), append(got.skipped, skipped...), append(got.whys, whys...)
		if marker = page.Next; marker == "" {
			return got, nil
		}
	}
	got.markers = append(got.markers, marker)
	return got, nil
}

// decode decodes a page in pieces of three names.
func decode(page mirror.Page) (names, skipped []string, whys []error, err error) {
	for more := true; more; {
		var piece []mirror.Listed
		piece, more, err = page.Decode(nil, 3, func(name string, err error) { skipped, whys = append(skipped, name), append(whys, err) })
		if err == nil && len(piece) > 3 {
			err = errors.New("a piece of more than 3 names")
		}
		if err != nil {
			return names, skipped, whys, err
		}
		for _, e := range piece {
			if e.Size != -1 || e.ModTime != 0 || e.ETag != "" {
				return names, skipped, whys, errors.New("a name with attributes")
			}
			names = append(names, e.Name)
		}
	}
	return names, skipped, whys, nil
}

// numbered are n names.
func numbered(n int) (names []string) {
	for i := range n {
		names = append(names, strings.Repeat("d/", i%3)+string(rune('a'+i%26))+strings.Repeat("x", i%17))
	}
	return names
}
