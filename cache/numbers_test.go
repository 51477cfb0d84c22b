package cache

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// numbersSeen is what a kernel was told: the path that each number stood for.
type numbersSeen map[Inode]string

// look walks the whole store, as a reader does.
func (seen numbersSeen) look(t *testing.T, s *Store, dir Inode, path string) {
	t.Helper()
	var dirs []DirEntry
	if err := s.ReadDirPlus(dir, 0, func(de DirEntry, e Entry, err error) bool {
		here := path + "/" + string(de.Name)
		if err != nil {
			t.Fatalf("%s: %v", here, err)
		}
		if before, ok := seen[e.Inode]; ok && before != here {
			t.Fatalf("inode %d was %s, and is %s", e.Inode, before, here)
		}
		seen[e.Inode] = here
		if de.Kind == Dir {
			de.Name = []byte(here)
			dirs = append(dirs, de)
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		seen.look(t, s, d.Inode, string(d.Name))
	}
}

// TestNumbersAfterCrashes has readers look at names before they are on the disk, and
// the power cut; what is listed then, other names and in another order, gets none of
// the numbers that were seen.
func TestNumbersAfterCrashes(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	seen := numbersSeen{}
	disk := vfs.NewCrashableMem()
	for crash := range 20 {
		s := open(t, Options{Dir: "/store", Origin: testOrigin, FS: disk, FlushEvery: -1})
		seen.look(t, s, RootInode, "")
		for range rng.IntN(6) {
			var page []string
			for range 1 + rng.IntN(20) {
				name := fmt.Sprintf("%d-%d", crash, rng.IntN(1000))
				for range rng.IntN(3) {
					name = fmt.Sprintf("d%d-%d/", crash, rng.IntN(4)) + name
				}
				page = append(page, name)
			}
			put(t, plan(t, s, page...))
			if rng.IntN(3) == 0 {
				ask, err := s.Ask(RootInode, fmt.Sprintf("asked-%d-%d", crash, rng.IntN(1000)))
				if err != nil {
					t.Fatal(err)
				}
				put(t, ask)
			}
			seen.look(t, s, RootInode, "")
			if rng.IntN(4) == 0 { // as many names as come between two watermarks
				if _, err := s.reserve(rng.IntN(reserveAhead)); err != nil {
					t.Fatal(err)
				}
			}
			if rng.IntN(4) == 0 {
				if err := s.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		verify(t, s)
		disk = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
	}
}

// A store that is closed leaves no gap, and one that is only read is not written.
func TestNumbersAfterClose(t *testing.T) {
	backends(t, func(t *testing.T, o Options) {
		s := open(t, o)
		for i := range 5 {
			put(t, plan(t, s, fmt.Sprintf("%d/a", i), fmt.Sprintf("%d/b", i)))
			s = reopen(t, s)
			if p := s.Progress(); p.Next != FirstInode+Inode(3*(i+1)) || s.numbers.next.Load() != uint64(p.Next) {
				t.Errorf("numbers go on from %d: %+v", s.numbers.next.Load(), p)
			}
			s = reopen(t, s)
			if n := s.commits.Load(); n != 0 {
				t.Errorf("%d commits without a change", n)
			}
		}
	})
}

// TestGapOfNumbers has a crash leave a gap in a directory: it is read over at every
// place, its numbers are nobody's, and what is beside it is found.
func TestGapOfNumbers(t *testing.T) {
	disk := vfs.NewCrashableMem()
	o := Options{Dir: "/store", Origin: testOrigin, FS: disk, FlushEvery: -1}
	s := open(t, o)
	put(t, plan(t, s, "a", "b"))
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(t, plan(t, s, "lost"))
	o.FS = disk.CrashClone(vfs.CrashCloneCfg{})
	s = open(t, o)
	commit(t, plan(t, s, "c", "d"))
	verify(t, s)
	p := s.Progress()
	if p.Next < FirstInode+2+reserveAhead || p.Files != 4 || p.Fetched != 2 {
		t.Errorf("progress %+v", p)
	}
	for after, want := range map[Inode]int{0: 4, FirstInode: 3, FirstInode + 1: 2, FirstInode + 1000: 2, p.Next - 3: 2, p.Next - 2: 1, p.Next - 1: 0} {
		n := 0
		if err := s.ReadDir(RootInode, after, func(DirEntry) bool { n++; return true }); err != nil || n != want {
			t.Errorf("after %d there are %d names, not %d: %v", after, n, want, err)
		}
	}
	for _, ino := range []Inode{FirstInode + 2, FirstInode + 1000, p.Next - 3, p.Next} {
		if e, err := s.Get(ino); !errors.Is(err, ErrNotFound) {
			t.Errorf("inode %d is %+v, %v", ino, e, err)
		}
	}
	page, next, err := s.Pending(FirstInode+500, p.Next, 1000)
	if err != nil || page == nil || page.Len() != 2 || page.Name(0) != "c" || next != p.Next {
		t.Fatalf("pending beyond the gap: %+v, %d, %v", page, next, err)
	}
	names, err := s.Sample(FirstInode+500, 10, false)
	if err != nil || !slices.Contains(names, "d") {
		t.Errorf("sample %q, %v", names, err)
	}
}
