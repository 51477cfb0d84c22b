package unlisted

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/motefs/motefs/fs/fusetest/eventually"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/origin"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/motefs/motefs/mirror/wire"
)

func TestMain(m *testing.M) { eventually.AllEnded(m) }

// mirrored is a store with the directories of a mirror, and how their files are looked for.
func mirrored(t *testing.T, names ...string) *cache.Store {
	t.Helper()
	s, err := cache.Open(cache.Options{Dir: t.TempDir(), Origin: "mirror", Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	planner, err := s.NewPlanner()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		page, err := planner.Plan([]cache.Name{{Origin: name, Size: -1}})
		if err == nil {
			err = errors.Join(page.Commit(), page.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// oneListed is an origin of 2,000 files in two directories, and a mirror that has one of the second, which is
// parent.
func oneListed(t *testing.T, o serve.SyntheticOptions) (src *serve.Synthetic, tree *cache.Store, parent cache.Inode) {
	t.Helper()
	o.Files, o.FilesPerDir = 2000, 1000
	src = serve.NewSynthetic(o)
	tree = mirrored(t, src.Name(1000))
	parent, err := walk(tree, []string{"d000001"})
	if err != nil {
		t.Fatal(err)
	}
	return src, tree, parent
}

// open opens the files of an origin in a directory.
func open(t *testing.T, dir string, tree Tree, server *origintest.Server, gone func(cache.Inode, string)) *Files {
	t.Helper()
	client, err := origin.New(origin.Options{BaseURL: server.URL(), Options: wire.Options{InlineLimit: cache.DefaultInlineLimit}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	f, err := Open(Options{Store: cache.Options{Dir: dir, Origin: server.URL(), Reserve: -1}, Tree: tree, Lister: client, Fetcher: client, Gone: gone})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestUnlistedFiles: a file that the mirror does not have comes from the origin once, keeps its number over a
// restart, which no number of the mirror can be, and is found by it.
func TestUnlistedFiles(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 2000, FilesPerDir: 1000})
	server := origintest.New(t, serve.Options{}, src)
	server.CountNames()
	tree := mirrored(t, "c", "c/d", src.Name(0), src.Name(1000))
	parent, err := walk(tree, []string{"d000001"})
	if err != nil {
		t.Fatal(err)
	}
	dir, number := t.TempDir(), cache.Inode(0)
	_, name, _ := strings.Cut(src.Name(1500), "/")
	for range 2 {
		f := open(t, dir, tree, server, nil)
		e, err := f.Fetch(t.Context(), parent, name)
		if err != nil || e.Inode&sideBit == 0 || number != 0 && e.Inode != number {
			t.Fatalf("%+v, %v; before it was %d", e, err, number)
		}
		number = e.Inode
		n := &Names{f: f}
		got := make([]byte, 1000)
		if k, err := n.ReadAt(number, got, 0); err != nil || !bytes.Equal(got[:k], src.Body(1500)) {
			t.Errorf("it reads %q, %v", got[:k], err)
		}
		if at, err := n.Get(number); err != nil || at.Inode != number || at.Size != e.Size {
			t.Errorf("it is %+v, %v", at, err)
		}
		if at, called, err := n.Where(number); err != nil || at != parent || called != name {
			t.Errorf("it is %q in %d, %v; want %q in %d", called, at, err, name, parent)
		}
		if called, err := n.NameOf(number); err != nil || called != src.Name(1500) {
			t.Errorf("its name is %q, %v", called, err)
		}
		for _, missing := range []string{"none", "%%c", "%%"} {
			if e, err := f.Fetch(t.Context(), parent, missing); !errors.Is(err, cache.ErrNotFound) {
				t.Errorf("%q is %+v, %v", missing, e, err)
			}
		}
		if e, err := f.Fetch(t.Context(), cache.RootInode, "d000001"); !errors.Is(err, cache.ErrNotFound) {
			t.Errorf("a directory is the file %+v, %v", e, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if n := server.Gets(src.Name(1500)); n != 1 {
		t.Errorf("it is asked for %d times", n)
	}
}

// TestUnlistedBreaksOff: of a long file of which readers saw the beginning, and that cannot be fetched
// to its end, the mount is told by the mirror's directory; the origin away is an error, and no file.
func TestUnlistedBreaksOff(t *testing.T) {
	src, tree, parent := oneListed(t, serve.SyntheticOptions{LargeEvery: 1, LargeSize: 4 << 20})
	server := origintest.New(t, serve.Options{}, src)
	type place struct {
		parent cache.Inode
		name   string
	}
	told := make(chan place, 1)
	f := open(t, t.TempDir(), tree, server, func(parent cache.Inode, name string) { told <- place{parent, name} })
	defer f.Close()
	server.SetFaults(origintest.Faults{OnGet: func([]byte, int) origintest.Fault {
		return origintest.Fault{Mode: origintest.CutBody, N: 200_000}
	}, OnRange: func([]byte, string) origintest.Fault { return origintest.Fault{Status: 404} }})
	_, name, _ := strings.Cut(src.Name(1500), "/")
	e, err := f.Fetch(t.Context(), parent, name)
	if err != nil || !e.Arriving || e.Inode&sideBit == 0 {
		t.Fatalf("%+v, %v", e, err)
	}
	if at := <-told; at != (place{parent, name}) {
		t.Errorf("the mount is told of %+v, want %q in %d", at, name, parent)
	}
	c := &Contents{f: f}
	if at, err := c.Arriving(e.Inode); err == nil && at != nil {
		t.Errorf("it still arrives: %+v", at)
	}
	server.SetFaults(origintest.Faults{OnGet: func([]byte, int) origintest.Fault { return origintest.Fault{Status: 503} }})
	if e, err := f.Fetch(t.Context(), parent, "other"); err == nil || errors.Is(err, cache.ErrNotFound) {
		t.Errorf("with the origin away it is %+v, %v", e, err)
	}
}
