package unlisted

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// bounded has files of a length kept beside a mirror that has one file of their directory, up to a bound in
// bytes, by a keeper whose ticks are the caller's. Close must be called.
func bounded(t *testing.T, length, bound int64) (src *serve.Synthetic, parent cache.Inode, f *Files, k *keeper) {
	t.Helper()
	src, tree, parent := oneListed(t, serve.SyntheticOptions{BodySize: length})
	f = open(t, t.TempDir(), tree, origintest.New(t, serve.Options{}, src), nil)
	f.cancel()
	f.keeping.Wait()
	f.o.Bytes = bound
	return src, parent, f, &keeper{f: f}
}

// TestUnlistedBound: what takes more than the bound goes, first what was asked for first; what was read a moment
// ago stays, and what has gone comes again under another number. A number is never two files.
func TestUnlistedBound(t *testing.T) {
	const size, files = 1000, 100
	const bound = 40 * (size + perFile)
	src, parent, f, k := bounded(t, size, bound)
	defer f.Close()
	n := &Names{f: f}
	read := func(number cache.Inode, want []byte) error {
		got := make([]byte, len(want)+1)
		n, err := n.ReadAt(number, got, 0)
		if err == nil && !bytes.Equal(got[:n], want) {
			t.Errorf("inode %d reads %d bytes of others", number, n)
		}
		return err
	}
	numbers := map[cache.Inode]int64{}
	var first cache.Inode
	for i := range int64(files) {
		_, name, _ := strings.Cut(src.Name(1000+i), "/")
		e, err := f.Fetch(t.Context(), parent, name)
		if err != nil {
			t.Fatal(err)
		}
		if _, there := numbers[e.Inode]; there {
			t.Fatalf("inode %d is two files", e.Inode)
		}
		numbers[e.Inode] = i
		if i == 0 {
			first = e.Inode
		}
		if err := read(first, src.Body(1000)); err != nil {
			t.Fatalf("the file that is being read: %v", err)
		}
		if err := errors.Join(read(e.Inode, src.Body(1000+i)), k.tick(t.Context())); err != nil {
			t.Fatal(err)
		}
		if err := read(e.Inode, src.Body(1000+i)); err != nil {
			t.Errorf("file %d has gone at once: %v", i, err)
		}
	}
	for range restTicks + 1 {
		if err := k.tick(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if used := f.used(); used > bound {
		t.Errorf("%d bytes are here, over %d", used, int64(bound))
	}
	here := 0
	for number, i := range numbers {
		switch err := read(number, src.Body(1000+i)); {
		case err == nil:
			here++
		case !errors.Is(err, cache.ErrNotFound):
			t.Error(err)
		}
	}
	if here == 0 || here == files {
		t.Errorf("%d of %d are here", here, files)
	}
	_, name, _ := strings.Cut(src.Name(1001), "/")
	e, err := f.Fetch(t.Context(), parent, name)
	if _, there := numbers[e.Inode]; err != nil || there {
		t.Errorf("what has gone comes again as %d, %v", e.Inode, err)
	}
	if report, err := f.store.Verify(t.Context(), func(p string) { t.Error(p) }); err != nil || report.Unreferenced > 0 {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestUnlistedShortFiles: of files that take more beside their contents than for them no more go than must.
func TestUnlistedShortFiles(t *testing.T) {
	const files = 100
	const bound = (files - 10) * (1 + perFile)
	src, parent, f, k := bounded(t, 1, bound)
	defer f.Close()
	for i := range int64(files) {
		_, name, _ := strings.Cut(src.Name(1000+i), "/")
		if _, err := f.Fetch(t.Context(), parent, name); err != nil {
			t.Fatal(err)
		}
	}
	for range restTicks + 1 {
		if err := k.tick(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if used, least := f.used(), int64(bound-bound/room-2*perFile); used > bound || used < least {
		t.Errorf("%d bytes are left, and should be from %d to %d", used, least, int64(bound))
	}
}

// TestUnlistedReadAsItComes: who reads a long file while it comes, reads it on once it is here, over the bound.
func TestUnlistedReadAsItComes(t *testing.T) {
	src, tree, parent := oneListed(t, serve.SyntheticOptions{LargeEvery: 1, LargeSize: 1 << 20})
	server := origintest.New(t, serve.Options{}, src)
	f := open(t, t.TempDir(), tree, server, nil)
	defer f.Close()
	f.cancel() // ticks are ours
	f.keeping.Wait()
	f.o.Bytes = 1
	k := &keeper{f: f}
	_, name, _ := strings.Cut(src.Name(1500), "/")
	e, err := f.Fetch(t.Context(), parent, name)
	if err != nil {
		t.Fatal(err)
	}
	for range restTicks + 1 {
		f.recent.tick()
	}
	c, n := &Contents{f: f}, &Names{f: f}
	if _, _, err := c.ReadAt(t.Context(), e.Inode, make([]byte, 10), 0, time.Minute); err != nil {
		t.Fatal(err)
	}
	eventually.True(t, "it is here", func() bool {
		at, err := f.store.Get(e.Inode &^ sideBit)
		return err == nil && at.Here()
	})
	if err := k.tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, e.Size+1)
	if k, err := n.ReadAt(e.Inode, got, 0); err != nil || !bytes.Equal(got[:k], src.Body(1500)) {
		t.Errorf("it reads %d bytes, %v", k, err)
	}
}

// TestUnlistedGoesAsItIsAskedFor: a file that is removed while it is asked for is there all the same.
func TestUnlistedGoesAsItIsAskedFor(t *testing.T) {
	src, tree, parent := oneListed(t, serve.SyntheticOptions{})
	server := origintest.New(t, serve.Options{}, src)
	f := open(t, t.TempDir(), tree, server, nil)
	defer f.Close()
	_, name, _ := strings.Cut(src.Name(1500), "/")
	var readers sync.WaitGroup
	end := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				if _, err := f.Fetch(t.Context(), parent, name); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for gone := 0; gone < 60 && !t.Failed(); {
		_, freed, err := f.store.Discard(t.Context(), 0, 1, 1, func(*cache.Entry) bool { return true })
		if err != nil {
			t.Error(err)
		}
		if freed > 0 {
			gone++
		}
	}
	close(end)
	readers.Wait()
}

// TestUnlistedOfBefore: after a restart files are removed that the mirror has by now, and no others; those of this
// process stay, and those of before that it has shown, as somebody may have them open.
func TestUnlistedOfBefore(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 2000, FilesPerDir: 1000})
	server := origintest.New(t, serve.Options{}, src)
	// By now the mirror has 1500, 1502 and 1600.
	tree := mirrored(t, src.Name(1000), src.Name(1500), src.Name(1502), src.Name(1600))
	parent, err := walk(tree, []string{"d000001"})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	fetch := func(f *Files, k int64) cache.Inode {
		t.Helper()
		_, name, _ := strings.Cut(src.Name(k), "/")
		e, err := f.Fetch(t.Context(), parent, name)
		if err != nil {
			t.Fatal(err)
		}
		return e.Inode &^ sideBit
	}
	f := open(t, dir, tree, server, nil)
	old, other, shown := fetch(f, 1500), fetch(f, 1501), fetch(f, 1502)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f = open(t, dir, tree, server, nil)
	defer f.Close()
	f.cancel()
	f.keeping.Wait()
	k := &keeper{f: f}
	young := fetch(f, 1600)
	if again := fetch(f, 1502); again != shown {
		t.Fatalf("1502 was %d, and is %d", shown, again)
	}
	for range restTicks + 1 {
		f.recent.tick()
	}
	if err := k.pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	for number, stays := range map[cache.Inode]bool{old: false, other: true, shown: true, young: true} {
		if _, err := f.store.Get(number); (err == nil) != stays {
			t.Errorf("inode %d: %v, and it should stay: %v", number, err, stays)
		}
	}
}

// TestUnlistedInADirectoryOfAnotherName: where a file has the name of a directory, that is shown under another
// one, and files in it are found all the same.
func TestUnlistedInADirectoryOfAnotherName(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 2000, FilesPerDir: 1000})
	server := origintest.New(t, serve.Options{}, src)
	tree := mirrored(t, src.Name(1000))
	e, err := tree.Lookup(cache.RootInode, "d000001")
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, t.TempDir(), renamed{tree}, server, nil)
	defer f.Close()
	parent, name, err := f.where(src.Name(1500))
	if _, want, _ := strings.Cut(src.Name(1500), "/"); err != nil || parent != e.Inode || name != want {
		t.Errorf("it is %q in %d, %v", name, parent, err)
	}
}

// renamed is a tree in whose root a file has the name of each directory.
type renamed struct{ *cache.Store }

func (r renamed) Lookup(parent cache.Inode, name string) (cache.Entry, error) {
	if plain, ok := strings.CutPrefix(name, "%%"); ok && parent == cache.RootInode {
		return r.Store.Lookup(parent, plain)
	}
	e, err := r.Store.Lookup(parent, name)
	if err == nil && e.Kind == cache.Dir {
		e.Kind = cache.File
	}
	return e, err
}
