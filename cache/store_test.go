package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const testOrigin = "http://origin.test"

// backends runs a test on disk and in memory.
func backends(t *testing.T, fn func(t *testing.T, o Options)) {
	t.Run("disk", func(t *testing.T) {
		fn(t, Options{Dir: t.TempDir(), Origin: testOrigin, FlushEvery: -1})
	})
	t.Run("memory", func(t *testing.T) {
		fn(t, Options{Dir: "/store", Origin: testOrigin, FS: vfs.NewMem(), FlushEvery: -1})
	})
}

func open(t *testing.T, o Options) *Store {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func reopen(t *testing.T, s *Store) *Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, s.opts)
}

func names(ss ...string) []Name {
	list := make([]Name, len(ss))
	for i, s := range ss {
		list[i] = Name{Origin: s, Size: -1}
	}
	return list
}

func plan(t *testing.T, s *Store, ss ...string) *Page {
	t.Helper()
	pl, err := s.NewPlanner()
	if err != nil {
		t.Fatal(err)
	}
	page, err := pl.Plan(names(ss...))
	if err != nil {
		t.Fatal(err)
	}
	if err := page.Load(); err != nil {
		t.Fatal(err)
	}
	return page
}

func body(name string) []byte { return []byte("body of " + name) }

func put(t *testing.T, page *Page) {
	t.Helper()
	for k := range page.Len() {
		if page.Open(k) {
			if err := page.Put(k, body(page.Name(k)), 0, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	commit(t, page)
}

func commit(t *testing.T, page *Page) {
	t.Helper()
	if err := page.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := page.Close(); err != nil {
		t.Fatal(err)
	}
}

// find walks a path of escaped components.
func find(s *Store, path string) (Entry, error) {
	e := Entry{Inode: RootInode, Kind: Dir}
	for _, c := range strings.Split(path, "/") {
		var err error
		if e, err = s.Lookup(e.Inode, c); err != nil {
			return e, err
		}
	}
	return e, nil
}

func content(t *testing.T, s *Store, path string) string {
	t.Helper()
	e, err := find(s, path)
	if err != nil {
		t.Fatalf("find %q: %v", path, err)
	}
	buf := make([]byte, e.Size+10)
	n, err := s.ReadAt(e.Inode, buf, 0)
	if err != nil || int64(n) != e.Size {
		t.Fatalf("read %q: %d of %d bytes, %v", path, n, e.Size, err)
	}
	return string(buf[:n])
}

func list(t *testing.T, s *Store, dir Inode) []string {
	t.Helper()
	var got []string
	if err := s.ReadDir(dir, 0, func(de DirEntry) bool {
		got = append(got, string(de.Name))
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

func verify(t *testing.T, s *Store) Report {
	t.Helper()
	r, err := s.Verify(context.Background(), func(p string) { t.Error("verify: " + p) })
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPutAndRead(t *testing.T) {
	backends(t, func(t *testing.T, o Options) {
		s := open(t, o)
		put(t, plan(t, s, "a", "b", "dir/c", "dir/sub/d", "e"))
		for range 2 {
			for path, name := range map[string]string{"a": "a", "b": "b", "dir/c": "dir/c", "dir/sub/d": "dir/sub/d", "e": "e"} {
				if got := content(t, s, path); got != string(body(name)) {
					t.Errorf("%s holds %q", path, got)
				}
			}
			if got := list(t, s, RootInode); !slices.Equal(got, []string{"a", "b", "dir", "e"}) && !slices.Equal(got, []string{"dir", "a", "b", "e"}) {
				t.Errorf("root lists %q", got)
			}
			verify(t, s)
			p := s.Progress()
			if p.Files != 5 || p.Dirs != 2 || p.Fetched != 5 {
				t.Errorf("progress %+v", p)
			}
			s = reopen(t, s)
		}
		if _, err := find(s, "nope"); !errors.Is(err, ErrNotFound) {
			t.Errorf("an unknown name gives %v", err)
		}
	})
}

func TestPendingThenFetched(t *testing.T) {
	backends(t, func(t *testing.T, o Options) {
		s := open(t, o)
		commit(t, plan(t, s, "a", "d/b", "e"))
		if e, err := find(s, "d/b"); err != nil || e.State != Pending {
			t.Fatalf("%+v, %v", e, err)
		}
		before, _ := find(s, "e")
		page, next, err := s.Pending(0, s.Progress().Next, 1000)
		if err != nil || page == nil || page.Len() != 3 || page.Name(1) != "d/b" || next != s.Progress().Next {
			t.Fatalf("pending: %+v, %d, %v", page, next, err)
		}
		if err := page.Load(); err != nil {
			t.Fatal(err)
		}
		if err := page.Gone(0); err != nil {
			t.Fatal(err)
		}
		if err := page.Put(1, body("d/b"), 5, []byte(`"v1"`)); err != nil {
			t.Fatal(err)
		}
		page.Fail(2, MayPass, errors.New("status 500"))
		commit(t, page)
		verify(t, s)
		if got := list(t, s, RootInode); slices.Contains(got, "a") || !slices.Contains(got, "e") {
			t.Errorf("root lists %q", got)
		}
		if e, err := find(s, "d/b"); err != nil || e.ModTime != 5 || e.ETag != `"v1"` {
			t.Errorf("%+v, %v", e, err)
		}
		if p := s.Progress(); p.Gone != 1 || p.Failed != 1 || p.Fetched != 1 || p.Files != 3 {
			t.Errorf("progress %+v", p)
		}
		s = reopen(t, s)
		failed, _, err := s.Failed(0, 1000)
		if err != nil || failed.Len() != 1 || failed.Name(0) != "e" {
			t.Fatalf("failed: %+v, %v", failed, err)
		}
		put(t, failed)
		if p := s.Progress(); p.Failed != 0 || p.Fetched != 2 {
			t.Errorf("progress %+v", p)
		}
		if after, _ := find(s, "e"); after.Inode != before.Inode {
			t.Errorf("inode of e went from %d to %d", before.Inode, after.Inode)
		}
		verify(t, s)
	})
}

func TestBlob(t *testing.T) {
	backends(t, func(t *testing.T, o Options) {
		s := open(t, o)
		big := []byte(strings.Repeat("0123456789abcdef", 20000))
		page := plan(t, s, "big", "small")
		w, err := s.NewBlob()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(big); err != nil {
			t.Fatal(err)
		}
		if err := page.PutBlob(0, w, 0, nil); err != nil {
			t.Fatal(err)
		}
		put(t, page)
		for range 2 {
			if got := content(t, s, "big"); got != string(big) {
				t.Error("the blob reads wrong")
			}
			e, _ := find(s, "big")
			buf := make([]byte, 10)
			if n, err := s.ReadAt(e.Inode, buf, e.Size-3); err != nil || string(buf[:n]) != "def" {
				t.Errorf("tail %q, %v", buf[:n], err)
			}
			if n, err := s.ReadAt(e.Inode, buf, e.Size+3); err != nil || n != 0 {
				t.Errorf("past the end: %d, %v", n, err)
			}
			if r := verify(t, s); r.Blobs != 1 || r.Unreferenced != 0 {
				t.Errorf("report %+v", r)
			}
			s = reopen(t, s)
		}
	})
}

func TestDiscardedBlobIsRemoved(t *testing.T) {
	backends(t, func(t *testing.T, o Options) {
		s := open(t, o)
		page := plan(t, s, "x")
		w, err := s.NewBlob()
		if err != nil {
			t.Fatal(err)
		}
		if err := page.PutBlob(0, w, 0, nil); err != nil {
			t.Fatal(err)
		}
		put(t, plan(t, s, "x")) // somebody else is first
		commit(t, page)
		if r := verify(t, s); r.Blobs != 0 || r.Unreferenced != 0 {
			t.Errorf("report %+v", r)
		}
		if got := content(t, s, "x"); got != string(body("x")) {
			t.Errorf("x holds %q", got)
		}
	})
}

func TestReadDirResumesAtEveryCookie(t *testing.T) {
	backends(t, func(t *testing.T, o Options) {
		s := open(t, o)
		var all []string
		for p := range 5 {
			var page []string
			for k := range 37 {
				page = append(page, fmt.Sprintf("f%02d-%02d", p, k))
			}
			all = append(all, page...)
			put(t, plan(t, s, page...))
			put(t, plan(t, s, fmt.Sprintf("sub/%d", p)))
		}
		whole := list(t, s, RootInode)
		var cookies []Inode
		if err := s.ReadDir(RootInode, 0, func(de DirEntry) bool { cookies = append(cookies, de.Inode); return true }); err != nil {
			t.Fatal(err)
		}
		if len(whole) != len(all)+1 {
			t.Fatalf("%d names, want %d", len(whole), len(all)+1)
		}
		for i, cookie := range cookies {
			var rest []string
			if err := s.ReadDir(RootInode, cookie, func(de DirEntry) bool { rest = append(rest, string(de.Name)); return true }); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(rest, whole[i+1:]) {
				t.Fatalf("after cookie %d: %q, want %q", cookie, rest, whole[i+1:])
			}
		}
		if err := s.ReadDir(RootInode, 1<<62, func(DirEntry) bool { t.Error("an entry after the last"); return false }); err != nil {
			t.Error(err)
		}
	})
}

func TestAsk(t *testing.T) {
	backends(t, func(t *testing.T, o Options) {
		s := open(t, o)
		ask, err := s.Ask(RootInode, "m")
		if err != nil || ask.Listed() {
			t.Fatal(err)
		}
		put(t, ask)
		asked, _ := find(s, "m")
		page := plan(t, s, "l", "m", "n")
		if page.Open(1) || !page.Open(0) {
			t.Error("a file that a reader asked for is fetched again")
		}
		put(t, page)
		shuffled := plan(t, s, "z", "m", "y")
		put(t, shuffled)
		if after, _ := find(s, "m"); after.Inode != asked.Inode {
			t.Error("the number of a file changed when it was listed")
		}
		if got := list(t, s, RootInode); len(got) != 5 {
			t.Errorf("root lists %q", got)
		}
		verify(t, s)
	})
}

func TestAskForPathsWithoutAName(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir(), Origin: testOrigin})
	for _, name := range []string{"%%a", "%%%_.", "%%x%", "%%%zz"} {
		if _, err := s.Ask(RootInode, name); !errors.Is(err, ErrNotFound) {
			t.Errorf("asking for %q gives %v", name, err)
		}
	}
}

func TestFileAndDirectoryOfOneName(t *testing.T) {
	for what, order := range map[string][][]string{
		"file first":       {{"a"}, {"a/b"}},
		"directory first":  {{"a/b"}, {"a"}},
		"in one page":      {{"a", "a/b"}},
		"in one page, rev": {{"a/b", "a"}},
	} {
		t.Run(what, func(t *testing.T) {
			backends(t, func(t *testing.T, o Options) {
				s := open(t, o)
				for range 2 { // the second time, everything is here
					for _, page := range order {
						put(t, plan(t, s, page...))
					}
				}
				got := list(t, s, RootInode)
				slices.Sort(got)
				if !slices.Equal(got, []string{"%%a", "a"}) {
					t.Errorf("root lists %q", got)
				}
				file, dir := "a", "%%a"
				if e, _ := find(s, "a"); e.Kind == Dir {
					file, dir = dir, file
				}
				if content(t, s, file) != string(body("a")) || content(t, s, dir+"/b") != string(body("a/b")) {
					t.Error("a content is under the wrong name")
				}
				if e, _ := find(s, dir); e.Kind == Dir {
					if name, err := s.OriginName(e.Inode, "b"); err != nil || name != "a/b" {
						t.Errorf("%s/b is called %q, %v", dir, name, err)
					}
				}
				verify(t, s)
			})
		})
	}
}

// TestDirectoryAppearsWhileFileIsFetched has the file in the batch, not in the
// store, when its directory is made.
func TestDirectoryAppearsWhileFileIsFetched(t *testing.T) {
	backends(t, func(t *testing.T, o Options) {
		s := open(t, o)
		file := plan(t, s, "a")
		if err := file.Put(0, body("a"), 0, nil); err != nil {
			t.Fatal(err)
		}
		put(t, plan(t, s, "a/b"))
		commit(t, file)
		if content(t, s, "%%a") != string(body("a")) || content(t, s, "a/b") != string(body("a/b")) {
			t.Error("a content is under the wrong name")
		}
		verify(t, s)
	})
}

func TestLongPageIsCommittedInParts(t *testing.T) {
	backends(t, func(t *testing.T, o Options) {
		s := open(t, o)
		page := plan(t, s, "a", "b", "c")
		if err := page.Put(1, []byte(strings.Repeat("x", DefaultInlineLimit)), 0, nil); err != nil {
			t.Fatal(err)
		}
		if err := page.Commit(); err != nil {
			t.Fatal(err)
		}
		if e, _ := find(s, "a"); e.State != Pending || !page.Open(0) {
			t.Errorf("a is %+v", e)
		}
		if err := page.Gone(0); err != nil {
			t.Fatal(err)
		}
		put(t, page)
		if p := s.Progress(); p.Files != 3 || p.Fetched != 2 || p.Gone != 1 {
			t.Errorf("progress %+v", p)
		}
		if got := list(t, s, RootInode); !slices.Equal(got, []string{"b", "c"}) {
			t.Errorf("root lists %q", got)
		}
		verify(t, s)
	})
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir, Origin: testOrigin, Holder: "motefs mount /mnt, process 42"})
	if _, err := Open(Options{Dir: dir, Origin: testOrigin}); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "process 42") {
		t.Errorf("a store in use gives %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: dir, Origin: "http://other"}); !errors.Is(err, ErrOrigin) || !strings.Contains(err.Error(), testOrigin) {
		t.Errorf("another origin gives %v", err)
	}
	if _, err := Open(Options{Dir: dir + "/none"}); !errors.Is(err, ErrFormat) {
		t.Errorf("a store that is not there gives %v", err)
	}
	other := t.TempDir()
	if err := writeSmall(vfs.Default, other+"/thesis.tex", "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: other, Origin: testOrigin}); !errors.Is(err, ErrFormat) {
		t.Errorf("a directory of other files gives %v", err)
	}
	if _, err := Open(Options{}); err == nil {
		t.Error("no directory is taken")
	}
}

func TestCloseTwice(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir(), Origin: testOrigin})
	page := plan(t, s, "a")
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := page.Commit(); !errors.Is(err, ErrClosed) {
		t.Errorf("a commit after Close gives %v", err)
	}
	if err := page.Close(); err != nil {
		t.Error(err)
	}
}
