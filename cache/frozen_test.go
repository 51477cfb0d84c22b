package cache

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var freeze = flag.Bool("freeze", false, "have TestFrozenStore make the store of this format, if there is none")

// frozenStores has a store of each format that a released program has written.
const frozenStores = "../testdata/stores"

// frozenNames are the files of a frozen store; what becomes of them is in frozenFill.
var frozenNames = []string{"inline", "empty", "dir/a", "dir/sub/b", "a//escaped", "..", "long", "gone", "failed"}

func frozenFill(t *testing.T, o Options) {
	t.Helper()
	s := open(t, o)
	p := plan(t, s, frozenNames...)
	for k := range p.Len() {
		var err error
		switch name := p.Name(k); name {
		case "empty":
			err = p.Put(k, nil, 0, nil)
		case "inline":
			err = p.Put(k, []byte("older"), 0, nil)
		case "long":
			err = p.PutBlob(k, blob(t, s, string(long)), 1_700_000_000, []byte(`"tag"`))
		case "gone":
			err = p.Gone(k)
		case "failed":
			p.Fail(k, MayPass, errors.New("does not come"))
		default:
			err = p.Put(k, body(name), 1_700_000_000, []byte(`"tag"`))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	commit(t, p)
	if err := s.Advance(Mark{Listing: true, Marker: "", ListingComplete: true, Listed: p.End(), Settled: p.End()}); err != nil {
		t.Fatal(err)
	}
	// A refresh that has replaced a content, and was cut off when it compared contents.
	r, err := s.Refresh(t.Context(), RefreshOptions{Contents: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Match(names(frozenNames...)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Remember("", `"page"`, "", FirstInode, 1), r.Advance(Mark{Listing: true, ListingComplete: true}), r.BeginContents()); err != nil {
		t.Fatal(err)
	}
	page, _, err := r.Unreviewed(0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if err := page.Load(); err != nil {
		t.Fatal(err)
	}
	for k := range page.Len() {
		if page.Name(k) == "inline" {
			err = errors.Join(err, page.Put(k, body("inline"), 1_700_000_000, []byte(`"tag"`)))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	commit(t, page)
	if err := errors.Join(r.Save(), s.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestFrozenStore reads a store that a program of each format has written. A change of
// the format keeps the stores of those before it.
func TestFrozenStore(t *testing.T) {
	now := fmt.Sprintf("%s/%d.tar.gz", frozenStores, formatVersion)
	if _, err := os.Stat(now); errors.Is(err, iofs.ErrNotExist) && *freeze {
		o := Options{Dir: filepath.Join(t.TempDir(), "store"), Origin: testOrigin, KeepOld: true, Now: func() time.Time { return time.Unix(1_800_000_000, 0) }}
		frozenFill(t, o)
		if err := pack(o.Dir, now); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(now); err != nil {
		t.Fatalf("%v: make it with -freeze", err)
	}
	all, err := filepath.Glob(frozenStores + "/*.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		t.Run(filepath.Base(path), func(t *testing.T) {
			o := Options{Dir: filepath.Join(t.TempDir(), "store")}
			if err := unpack(path, o.Dir); err != nil {
				t.Fatal(err)
			}
			var version int
			if _, err := fmt.Sscanf(filepath.Base(path), "%d.", &version); err != nil {
				t.Fatal(err)
			}
			for _, o.ReadOnly = range []bool{true, false} {
				frozenCheck(t, version, o)
			}
			if done, err := Repair(t.Context(), o, func(p string) { t.Error(p) }); err != nil || done.Problems > 0 {
				t.Error(done, err)
			}
			frozenCheck(t, 0, o) // a repair gives refreshes up
		})
	}
}

func frozenCheck(t *testing.T, version int, o Options) {
	t.Helper()
	s := open(t, o)
	verify(t, s)
	p := s.Progress()
	if refreshing, err := s.Refreshing(); err != nil || refreshing != (version >= 4) {
		t.Errorf("refreshing: %v, %v", refreshing, err)
	}
	if s.Origin() != testOrigin || !p.ListingComplete || p.Files != 9 || p.Fetched != 7 || p.Gone != 1 || p.Failed != 1 || p.Dirs != 4 {
		t.Errorf("%q, %+v", s.Origin(), p)
	}
	for _, name := range frozenNames {
		path, err := SplitName(nil, name)
		if err != nil {
			t.Fatal(err)
		}
		at := strings.Join(path, "/")
		e, err := find(s, at)
		want := string(body(name))
		switch name {
		case "empty":
			want = ""
		case "long":
			want = string(long)
		case "gone", "failed":
			if err != nil || e.Here() || (e.State == Gone) != (name == "gone") {
				t.Errorf("%q is %+v, %v", name, e, err)
			}
			continue
		}
		if got := content(t, s, at); got != want {
			t.Errorf("%q has %d bytes and should have %d", name, len(got), len(want))
		}
		if name != "empty" && (e.ModTime != 1_700_000_000 || e.ETag != `"tag"` || e.Fetched != 1_800_000_000) {
			t.Errorf("%q is %+v", name, e)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func pack(dir, path string) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	z := gzip.NewWriter(f)
	w := tar.NewWriter(z)
	err = errors.Join(w.AddFS(os.DirFS(dir)), w.Close(), z.Close(), f.Close())
	return err
}

func unpack(path, dir string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, privateDir); err != nil {
		return err
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		at := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(at, privateDir)
		} else {
			var text []byte
			if text, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(at, text, privateFile)
			}
		}
		if err != nil {
			return err
		}
	}
}
