package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// askFor has a file be in a store because a reader asked for it, and returns its number.
func askFor(t *testing.T, s *Store, name string, content []byte) Inode {
	t.Helper()
	page, err := s.Ask(RootInode, name)
	if err != nil {
		t.Fatal(err)
	}
	defer page.Close()
	if int64(len(content)) <= int64(s.InlineLimit()) {
		err = page.Put(0, content, 0, nil)
	} else {
		var w *BlobWriter
		if w, err = s.NewBlob(); err == nil {
			_, err = w.Write(content)
			err = errors.Join(err, page.PutBlob(0, w, 0, nil))
		}
	}
	if err = errors.Join(err, page.Commit()); err != nil {
		t.Fatal(err)
	}
	e, err := s.Lookup(RootInode, name)
	if err != nil {
		t.Fatal(err)
	}
	return e.Inode
}

// TestDiscard: files that readers asked for go, those asked for first in front, with all that they take, and
// a number that was one's is never another's. Where the power is cut on the way each is there or gone, and
// nothing is left behind.
func TestDiscard(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 7))
	const files = 24
	contents := map[string][]byte{}
	for round := range 40 {
		disk := vfs.NewCrashableMem()
		var ops atomic.Int64
		var clone atomic.Pointer[vfs.MemFS]
		at, percent, dice := int64(-1), rng.IntN(101), rand.New(rand.NewPCG(rng.Uint64(), 6))
		if round > 0 {
			at = rng.Int64N(40)
		}
		armed := atomic.Bool{}
		o := Options{Dir: "/store", Origin: testOrigin, Reserve: -1, InlineLimit: 100, FlushEvery: -1}
		o.FS = errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if armed.Load() && ops.Add(1)-1 == at {
				clone.Store(disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: dice}))
			}
			return nil
		}))
		s := open(t, o)
		numbers := map[string]Inode{}
		for k := range files {
			name := fmt.Sprintf("f%02d", k)
			contents[name] = bytes.Repeat([]byte{byte(k)}, 10+k%3*200)
			numbers[name] = askFor(t, s, name, contents[name])
		}
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		armed.Store(true)
		next, freed, err := s.Discard(context.Background(), 0, 3000, 0, func(e *Entry) bool { return e.Inode != numbers["f01"] })
		if err != nil || freed < 3000 || next == 0 {
			t.Fatalf("%d freed, next %d, %v", freed, next, err)
		}
		armed.Store(false)
		if at < 0 {
			gone := 0
			for name, ino := range numbers {
				_, err := s.ReadAt(ino, make([]byte, 1), 0)
				if _, looked := s.Lookup(RootInode, name); (looked != nil) != (err != nil) || err != nil && !errors.Is(err, ErrNotFound) {
					t.Errorf("%s: %v, %v", name, err, looked)
				}
				if err != nil {
					gone++
					if ino >= next || name == "f01" {
						t.Errorf("%s is gone, and was not to go", name)
					}
				} else if ino < next && name != "f01" {
					t.Errorf("%s is not gone", name)
				}
			}
			if p := s.Progress(); p.Files != uint64(files-gone) || p.Asked != p.Files || p.Fetched != p.Files {
				t.Errorf("%d gone, and %+v", gone, p)
			}
			if r := verify(t, s); r.Unreferenced > 0 {
				t.Errorf("%d blob files are left", r.Unreferenced)
			}
			if again := askFor(t, s, "f00", []byte("again")); again <= numbers["f23"] {
				t.Errorf("f00 comes again as %d", again)
			}
			if next, _, err := s.Discard(t.Context(), next, 1<<40, 0, func(*Entry) bool { return true }); next != 0 || err != nil {
				t.Errorf("to the end: %d, %v", next, err)
			}
			if p := s.Progress(); p.Files != 1 || p.Bytes != uint64(len(contents["f01"])) {
				t.Errorf("%+v", p)
			}
			continue
		}
		left := clone.Load()
		if left == nil {
			continue
		}
		o.FS = left
		again := open(t, o)
		if r := verify(t, again); r.Unreferenced > 0 {
			t.Errorf("cut off at %d: %d blob files are left", at, r.Unreferenced)
		}
		for name, want := range contents {
			got := make([]byte, 1000)
			n, err := again.ReadAt(numbers[name], got, 0)
			if err != nil && !errors.Is(err, ErrNotFound) || err == nil && !bytes.Equal(got[:n], want) {
				t.Errorf("cut off at %d: %s reads %d bytes, %v", at, name, n, err)
			}
		}
	}
}

// removals calls fn before and after each blob file is removed.
type removals struct {
	vfs.FS
	fn   func()
	open atomic.Int64 // blob files
}

type openBlob struct {
	vfs.File
	open *atomic.Int64
}

func (b openBlob) Close() error {
	b.open.Add(-1)
	return b.File.Close()
}

func isBlob(name string) bool {
	return strings.Contains(name, "blobs") && !strings.Contains(name, "tmp")
}

func (r *removals) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := r.FS.Open(name, opts...)
	if err != nil || !isBlob(name) {
		return f, err
	}
	r.open.Add(1)
	return openBlob{f, &r.open}, nil
}

func (r *removals) Remove(name string) error {
	if !isBlob(name) || r.fn == nil {
		return r.FS.Remove(name)
	}
	r.fn()
	defer r.fn()
	return r.FS.Remove(name)
}

// TestReadWhileDiscarded: a content that is read while it is removed is whole or not there, and never damage; its
// file is not kept open.
func TestReadWhileDiscarded(t *testing.T) {
	disk := &removals{FS: vfs.NewMem()}
	s := open(t, Options{Dir: "/store", Origin: testOrigin, FS: disk, Reserve: -1, InlineLimit: 100, FlushEvery: -1})
	want := bytes.Repeat([]byte("x"), 500)
	numbers, calls := []Inode{askFor(t, s, "long", want), askFor(t, s, "too", want)}, 0
	disk.fn = func() {
		calls++
		for _, ino := range numbers {
			got := make([]byte, 1000)
			n, err := s.ReadAt(ino, got, 0)
			if err == nil && !bytes.Equal(got[:n], want) || err != nil && (!errors.Is(err, ErrNotFound) || errors.Is(err, ErrCorrupt)) {
				t.Errorf("%d reads %d bytes, %v", ino, n, err)
			}
		}
	}
	if _, _, err := s.Discard(t.Context(), 0, 600, 0, func(*Entry) bool { return true }); err != nil || calls != 4 {
		t.Errorf("%d calls, %v", calls, err)
	}
	if n := disk.open.Load(); n != 0 {
		t.Errorf("%d files are open", n)
	}
}

// TestDiscardOfAListing: what a listing has named cannot be discarded.
func TestDiscardOfAListing(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir(), Origin: testOrigin})
	put(t, plan(t, s, "a", "b"))
	if _, _, err := s.Discard(t.Context(), 0, 1, 0, func(*Entry) bool { return true }); err == nil {
		t.Error("it is")
	}
	if got := content(t, s, "a"); got != string(body("a")) {
		t.Errorf("a holds %q", got)
	}
	verify(t, s)
}

// TestDiscardAfterRepair: a repair makes new runs of files whose names were in damage, and these say of none
// that it was asked for: they go all the same.
func TestDiscardAfterRepair(t *testing.T) {
	o := Options{Dir: t.TempDir(), Origin: testOrigin, Reserve: -1, FlushEvery: -1}
	s := open(t, o)
	const files = 4
	for k := range files {
		ino := askFor(t, s, fmt.Sprintf("f%d", k), []byte("content"))
		if k == 0 {
			continue // this one is not in the damage
		}
		for _, key := range [][]byte{appendRunKey(nil, RootInode, ino), appendRunIndexKey(nil, ino)} {
			if err := s.db.Delete(key, pebble.NoSync); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(s.Flush(t.Context()), s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Repair(t.Context(), o, func(p string) { t.Log(p) }); err != nil {
		t.Fatal(err)
	}
	s = open(t, o)
	next, freed, err := s.Discard(t.Context(), 0, 1<<40, 0, func(*Entry) bool { return true })
	if p := s.Progress(); err != nil || next != 0 || freed != files*int64(len("content")) || p.Files != 0 || p.Asked != 0 || p.Fetched != 0 || p.Bytes != 0 {
		t.Errorf("%d freed, next %d, %v; %+v is left", freed, next, err, p)
	}
	verify(t, s)
}
