//go:build linux

package fs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/motefs/motefs/cache"
)

// A directory whose names come as it is read is read to its end, none is left out, and
// names are asked for where they are read on from.
func TestReadDirWaitsForNames(t *testing.T) {
	s := newFakeStore()
	dir := s.dir(1, "dir")
	f := newTestFsys(t, s, nil)
	var came []cache.Inode
	f.ready = func(_ context.Context, in, after cache.Inode) error {
		if in != dir {
			return fmt.Errorf("asked for directory %d", in)
		}
		if len(came) == 5 || len(came) > 0 && after < came[len(came)-1] {
			return nil
		}
		came = append(came, s.file(dir, fmt.Sprintf("file-%d", len(came)), "x"))
		return nil
	}
	entries, _ := readAll(t, f, dir, 4096, true)
	if len(entries) != 2+5 {
		t.Fatalf("%d entries: %+v", len(entries), entries)
	}
	for k, ino := range came {
		if entries[2+k].Ino != uint64(ino) {
			t.Errorf("entry %d: %+v", k, entries[2+k])
		}
	}
}

// Names that do not come are an error of who reads the directory, which is not at its end.
func TestReadDirWithoutNames(t *testing.T) {
	s := newFakeStore()
	s.file(1, "file", "x")
	f := newTestFsys(t, s, nil)
	in := fuse.ReadIn{InHeader: fuse.InHeader{NodeId: 1}, Offset: cookieDotDot}
	read := func(cancel <-chan struct{}) fuse.Status {
		list := fuse.NewDirEntryList(make([]byte, 4096), in.Offset)
		return f.ReadDir(cancel, &in, list)
	}
	f.ready = func(context.Context, cache.Inode, cache.Inode) error { return errors.New("away") }
	f.log.expect("away")
	if status := read(nil); status != fuse.EIO {
		t.Errorf("names that do not come: %v", status)
	}
	cancel := make(chan struct{})
	f.ready = func(ctx context.Context, _, _ cache.Inode) error {
		close(cancel)
		<-ctx.Done()
		return ctx.Err()
	}
	if status := read(cancel); status != fuse.EINTR {
		t.Errorf("interrupted: %v", status)
	}
}

// lateStore is a store in front of whose names others come, after it was said that all are there.
type lateStore struct {
	*fakeStore
	late int // how often
}

func (s *lateStore) ReadDir(dir, after cache.Inode, fn func(cache.DirEntry) bool) error {
	if s.late > 0 {
		s.late--
		return fmt.Errorf("directory %d: %w", dir, cache.ErrNotReady)
	}
	return s.fakeStore.ReadDir(dir, after, fn)
}

// Names that come in front of those that were ready are waited for by who reads the directory: it is not at its
// end, and an interrupted program does not wait.
func TestReadDirOfLateNames(t *testing.T) {
	s := newFakeStore()
	s.file(1, "file", "x")
	f := newTestFsys(t, s, nil)
	late := &lateStore{fakeStore: s, late: 2}
	f.store = late
	asked := 0
	f.ready = func(context.Context, cache.Inode, cache.Inode) error { asked++; return nil }
	if entries, _ := readAll(t, f, 1, 4096, false); len(entries) != 3 || asked < 3 {
		t.Errorf("asked %d times, %+v", asked, entries)
	}
	late.late, asked = 2, 0
	cancel := make(chan struct{})
	f.ready = func(ctx context.Context, _, _ cache.Inode) error {
		if asked++; asked == 1 {
			return nil
		}
		close(cancel)
		<-ctx.Done()
		return ctx.Err()
	}
	in := fuse.ReadIn{InHeader: fuse.InHeader{NodeId: 1}, Offset: cookieDotDot}
	if status := f.ReadDir(cancel, &in, fuse.NewDirEntryList(make([]byte, 4096), in.Offset)); status != fuse.EINTR {
		t.Errorf("interrupted: %v", status)
	}
	// Nor does one where others come again and again.
	late.late = 1 << 40
	cancel = make(chan struct{})
	end := sync.OnceFunc(func() { close(cancel) })
	f.ready = func(context.Context, cache.Inode, cache.Inode) error { end(); return nil }
	if status := f.ReadDir(cancel, &in, fuse.NewDirEntryList(make([]byte, 4096), in.Offset)); status != fuse.EINTR {
		t.Errorf("interrupted, as names come: %v", status)
	}
}
