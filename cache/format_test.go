package cache

import (
	"context"
	"errors"
	iofs "io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// snapshot is all that stands below a folder, with its modes and contents. LOCK and
// OWNER, which whoever reads a store has too, are left out.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	if err := filepath.WalkDir(dir, func(path string, d iofs.DirEntry, err error) error {
		if err != nil || d.Name() == lockFile || d.Name() == ownerFile {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		what := info.Mode().String()
		if info.Mode().IsRegular() {
			what += info.ModTime().String()
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			what += string(text)
		}
		found[path] = what
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

func same(t *testing.T, before, after map[string]string) {
	t.Helper()
	for path, what := range before {
		if now, ok := after[path]; !ok || now != what {
			t.Errorf("%s was changed or removed", path)
		}
	}
	for path := range after {
		if _, ok := before[path]; !ok {
			t.Errorf("%s was made", path)
		}
	}
}

// lay makes files, each with a text, or a link where the text begins with "->".
func lay(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if target, ok := strings.CutPrefix(text, "->"); ok {
			err = errors.Join(err, os.Symlink(target, path))
		} else {
			err = errors.Join(err, os.WriteFile(path, []byte(text), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// stored makes a store with a short file and a long one, and closes it.
func stored(t *testing.T) Options {
	t.Helper()
	o := Options{Dir: filepath.Join(t.TempDir(), "store"), Origin: testOrigin}
	s := open(t, o)
	page := plan(t, s, "dir/short", "long")
	if err := errors.Join(page.Put(0, []byte("short"), 0, nil), page.Put(1, long, 0, nil)); err != nil {
		t.Fatal(err)
	}
	commit(t, page)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return o
}

var long = []byte(strings.Repeat("long ", DefaultInlineLimit))

// whole checks a store from stored.
func whole(t *testing.T, o Options) {
	t.Helper()
	s := open(t, o)
	if content(t, s, "dir/short") != "short" || content(t, s, "long") != string(long) {
		t.Error("the store has lost a content")
	}
	verify(t, s)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestForeignFolder gives folders that are no stores, however much they look like one.
func TestForeignFolder(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"a database":       {"db/precious": "x", "blobs/tmp/precious": "x"},
		"a lock":           {"LOCK": "precious"},
		"an owner":         {"OWNER": "precious"},
		"a format":         {"FORMAT": "precious"},
		"another program":  {"FORMAT": `{"store":"other","version":1}`, "db/precious": "x"},
		"a later version":  {"FORMAT": `{"store":"motefs","version":99,"origin":7}`, "db/precious": "x"},
		"a later feature":  {"FORMAT": `{"store":"motefs","version":4,"origin":"o","id":"i","features":["f"]}`},
		"a later field":    {"FORMAT": `{"store":"motefs","version":4,"origin":"o","id":"i","field":1}`},
		"a link for LOCK":  {"precious": "x", "store/LOCK": "->../precious"},
		"a link for db":    {"precious/tmp/x": "x", "store/LOCK": "", "store/blobs": "->../precious"},
		"a dangling link":  {"store/LOCK": "->../precious"},
		"a link as FORMAT": {"precious": `{"store":"motefs","version":4,"origin":"o","id":"i"}`, "store/FORMAT": "->../precious"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			lay(t, dir, files)
			before := snapshot(t, dir)
			at := dir
			if _, err := os.Lstat(filepath.Join(dir, "store")); err == nil {
				at = filepath.Join(dir, "store")
			}
			for _, readOnly := range []bool{false, true} {
				if s, err := Open(Options{Dir: at, Origin: testOrigin, ReadOnly: readOnly}); err == nil {
					t.Error("the folder is taken for a store", s.Close())
				} else if errors.Is(err, ErrNewer) != strings.HasPrefix(name, "a later") {
					t.Error(err)
				} else if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrOrigin) && !errors.Is(err, unix.ELOOP) {
					t.Error(err)
				}
			}
			same(t, before, snapshot(t, dir))
		})
	}
}

func TestNewFilesystem(t *testing.T) {
	dir := t.TempDir()
	lay(t, dir, map[string]string{"lost+found/x": "x"})
	s := open(t, Options{Dir: dir, Origin: testOrigin})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestLinkInStore puts a link into a store, in the place of each of its files.
func TestLinkInStore(t *testing.T) {
	o := stored(t)
	for path := range snapshot(t, o.Dir) {
		if path == o.Dir {
			continue
		}
		aside := o.Dir + ".aside"
		if err := errors.Join(os.Rename(path, aside), os.Symlink(aside, path)); err != nil {
			t.Fatal(err)
		}
		before := snapshot(t, aside)
		s, err := Open(o)
		if err == nil {
			_, err = s.Verify(context.Background(), func(string) { err = ErrCorrupt })
			err = errors.Join(err, s.Close())
		}
		if err == nil {
			t.Errorf("%s is followed", path)
		}
		same(t, before, snapshot(t, aside))
		if err := errors.Join(os.Remove(path), os.Rename(aside, path)); err != nil {
			t.Fatal(err)
		}
	}
	whole(t, o)
}

// TestPrivate checks the modes of all that a store has, also where it is made in a
// folder that others can read.
func TestPrivate(t *testing.T) {
	defer unix.Umask(unix.Umask(0))
	o := stored(t)
	ready := Options{Dir: t.TempDir(), Origin: testOrigin}
	if err := os.Chmod(ready.Dir, 0o777); err != nil {
		t.Fatal(err)
	}
	s := open(t, ready)
	for _, dir := range []string{o.Dir, ready.Dir} {
		if err := filepath.WalkDir(dir, func(path string, d iofs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			want := iofs.FileMode(privateFile)
			if d.IsDir() {
				want = privateDir
			}
			if err == nil && info.Mode().Perm() != want {
				t.Errorf("%s has the mode %v", path, info.Mode())
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(o.Dir, 0o770); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(o); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "chmod") {
		t.Errorf("a store that others can write to gives %v", err)
	}
}

func TestStoreOfAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give a folder away")
	}
	o := stored(t)
	if err := os.Chown(o.Dir, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(o); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "12345") {
		t.Errorf("a store of another user gives %v", err)
	}
}

// TestLostMarker removes the files without content, as some programs that copy do.
func TestLostMarker(t *testing.T) {
	for _, lost := range []string{"marker.*", "marker.manifest.*", "marker.format-version.*"} {
		t.Run(lost, func(t *testing.T) {
			o := stored(t)
			markers, err := filepath.Glob(filepath.Join(o.Dir, "db", lost))
			if err != nil || len(markers) == 0 {
				t.Fatal(markers, err)
			}
			for _, m := range markers {
				if err := os.Remove(m); err != nil {
					t.Fatal(err)
				}
			}
			before := snapshot(t, o.Dir)
			for _, o.ReadOnly = range []bool{true, false} {
				_, err = Open(o)
				same(t, before, snapshot(t, o.Dir))
				if !errors.Is(err, ErrCorrupt) {
					t.Fatalf("it opens with %v", err)
				}
			}
			_, touch, ok := strings.Cut(err.Error(), ": touch ")
			if !ok {
				t.Fatalf("%v does not say how to mend it", err)
			}
			if out, err := exec.Command("touch", strings.Fields(touch)...).CombinedOutput(); err != nil {
				t.Fatalf("%s %v", out, err)
			}
			whole(t, o)
		})
	}
}

func TestLostDatabase(t *testing.T) {
	for _, lost := range []string{"db", "db/MANIFEST-*"} {
		o := stored(t)
		paths, err := filepath.Glob(filepath.Join(o.Dir, lost))
		if err != nil || len(paths) == 0 {
			t.Fatal(paths, err)
		}
		for _, path := range paths {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
		}
		before := snapshot(t, o.Dir)
		if _, err := Open(o); !errors.Is(err, ErrCorrupt) {
			t.Errorf("without %s it opens with %v", lost, err)
		}
		same(t, before, snapshot(t, o.Dir))
	}
}

func TestDatabaseOfAnotherStore(t *testing.T) {
	a, b := stored(t), stored(t)
	if err := errors.Join(os.RemoveAll(filepath.Join(a.Dir, "db")), os.Rename(filepath.Join(b.Dir, "db"), filepath.Join(a.Dir, "db"))); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(a); !errors.Is(err, ErrFormat) {
		t.Errorf("it opens with %v", err)
	}
}

// TestReadOnly reads and checks a store, in which nothing changes meanwhile.
func TestReadOnly(t *testing.T) {
	o := stored(t)
	before := snapshot(t, o.Dir)
	o.ReadOnly = true
	s := open(t, o)
	if content(t, s, "dir/short") != "short" || content(t, s, "long") != string(long) || s.ReadOnly() == nil {
		t.Error("a content is missing")
	}
	verify(t, s)
	planner, err := s.NewPlanner()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := planner.Plan(names("new")); !errors.Is(err, ErrReadOnly) {
		t.Errorf("new names give %v", err)
	}
	if err := s.Rewind(); !errors.Is(err, ErrReadOnly) {
		t.Errorf("a commit gives %v", err)
	}
	if _, err := s.NewBlob(); !errors.Is(err, ErrReadOnly) {
		t.Errorf("a blob gives %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	same(t, before, snapshot(t, o.Dir))
	o.Dir += "/none"
	if _, err := Open(o); !errors.Is(err, ErrFormat) {
		t.Errorf("a store that is not there opens with %v", err)
	}
}

func FuzzFormat(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"store":"motefs","version":4,"origin":"o","id":"i"}`, `{"store":"motefs","version":4}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, err := decodeFormat(text); err == nil && (got.Version != formatVersion || got.Origin == "" || got.ID == "") || err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("%q decodes to %+v, %v", text, got, err)
		}
	})
}
