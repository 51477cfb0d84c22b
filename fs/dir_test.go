package fs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/motefs/motefs/cache"
)

// readAll reads a directory with buffers of size bytes.
func readAll(t *testing.T, f *testFsys, dir cache.Inode, size int, plus bool) (entries []fuse.DirEntry, outs []fuse.EntryOut) {
	t.Helper()
	in := fuse.ReadIn{InHeader: fuse.InHeader{NodeId: uint64(dir)}}
	for {
		list := fuse.NewDirEntryList(make([]byte, size), in.Offset)
		handler, parse := f.ReadDir, func(b []byte) ([]fuse.DirEntry, []fuse.EntryOut, error) {
			e, err := fuse.ParseDirEntries(b)
			return e, make([]fuse.EntryOut, len(e)), err
		}
		if plus {
			handler, parse = f.ReadDirPlus, fuse.ParseDirLookupEntries
		}
		if status := handler(nil, &in, list); status != fuse.OK {
			t.Fatal(status)
		}
		es, os, err := parse(list.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if len(es) == 0 {
			return entries, outs
		}
		entries, outs = append(entries, es...), append(outs, os...)
		in.Offset = es[len(es)-1].Off
	}
}

// Nothing is lost or doubled wherever a buffer ends.
func TestReadDirPages(t *testing.T) {
	s := newFakeStore()
	dir := s.dir(1, "dir")
	want := []string{".", ".."}
	for i := range 300 {
		name := fmt.Sprintf("%0*d", 1+i%40, i)
		want = append(want, name)
		switch i % 3 {
		case 0:
			s.file(dir, name, "x")
		case 1:
			s.pending(dir, name)
		case 2:
			s.dir(dir, name)
		}
		s.file(1, "elsewhere-"+name, "x")
	}
	f := newTestFsys(t, s, nil)
	for _, plus := range []bool{false, true} {
		for size := 256; size < 1400; size += 8 {
			entries, outs := readAll(t, f, dir, size, plus)
			var got []string
			for i, e := range entries {
				got = append(got, e.Name)
				if i < 2 {
					if e.Off != uint64(i+1) || outs[i].NodeId != 0 {
						t.Fatalf("%+v, %+v", e, outs[i])
					}
					continue
				}
				entry, _ := s.Get(cache.Inode(e.Ino))
				isDir := entry.Kind == cache.Dir
				if e.Off != e.Ino || (e.Mode == fuse.S_IFDIR) != isDir {
					t.Fatalf("%+v", e)
				}
				if plus && (outs[i].NodeId != 0) != (isDir || entry.Here()) {
					t.Fatalf("%+v, %+v", entry, outs[i])
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("buffer %d, plus %v: %d entries %.100q", size, plus, len(got), got)
			}
		}
	}
	if n := f.contents.fetches(""); n != 0 {
		t.Errorf("%d fetches", n)
	}
}

// A cookie that was never given out continues after it.
func TestReadDirCookies(t *testing.T) {
	s := newFakeStore()
	s.file(1, "a", "x")   // 16
	s.dir(1, "d")         // 17
	s.file(17, "da", "x") // 18
	s.file(1, "b", "x")   // 19
	f := newTestFsys(t, s, nil)
	for cookie, want := range map[uint64]string{0: ".", 1: "..", 2: "a", 3: "a", 15: "a", 16: "d", 17: "b", 18: "b", 19: "", 20: "", 1 << 62: ""} {
		list := fuse.NewDirEntryList(make([]byte, 4096), cookie)
		if status := f.ReadDir(nil, &fuse.ReadIn{InHeader: fuse.InHeader{NodeId: 1}, Offset: cookie}, list); status != fuse.OK {
			t.Fatal(status)
		}
		entries, err := fuse.ParseDirEntries(list.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if len(entries) > 0 {
			got = entries[0].Name
		}
		if got != want {
			t.Errorf("after cookie %d: %q, want %q", cookie, got, want)
		}
	}
}

// The kernel fails a whole directory for one bad name.
func TestReadDirBadNames(t *testing.T) {
	s := newFakeStore()
	for _, name := range []string{"a", "", ".", "..", "x/y", "x\x00y", strings.Repeat("n", 256), strings.Repeat("n", 255), "\xff\n"} {
		s.file(1, name, "x")
	}
	f := newTestFsys(t, s, nil)
	f.log.expect("name left out")
	entries, _ := readAll(t, f, 1, 4096, false)
	if len(entries) != 5 || f.stats.badNames.Load() != 6 {
		t.Errorf("%v, %d bad names", entries, f.stats.badNames.Load())
	}
}

func TestReadDirErrors(t *testing.T) {
	s := newFakeStore()
	s.fail(errors.New("disk on fire"))
	f := newTestFsys(t, s, nil)
	f.log.expect("disk on fire")
	list := fuse.NewDirEntryList(make([]byte, 4096), 0)
	if status := f.ReadDir(nil, &fuse.ReadIn{InHeader: fuse.InHeader{NodeId: 1}}, list); status != fuse.EIO {
		t.Error(status)
	}
}

func TestOpenDir(t *testing.T) {
	s := newFakeStore()
	f := newTestFsys(t, s, nil)
	var out fuse.OpenOut
	if status := f.OpenDir(nil, nil, &out); status != fuse.OK || out.OpenFlags != 0 {
		t.Errorf("listing grows: %v, %+v", status, out)
	}
	s.complete.Store(true)
	if status := f.OpenDir(nil, nil, &out); status != fuse.ENOSYS {
		t.Errorf("listing complete: %v", status)
	}
}
