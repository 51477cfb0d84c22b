package cache

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// fullDisk is a disk in memory that can be full.
type fullDisk struct {
	vfs.FS
	errno atomic.Uint32 // of every write; 0: it takes them
}

func newFullDisk() *fullDisk {
	d := &fullDisk{}
	d.FS = errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		errno := syscall.Errno(d.errno.Load())
		if errno != 0 && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpRemove && op.Kind != errorfs.OpRemoveAll {
			return errno
		}
		return nil
	}))
	return d
}

func (d *fullDisk) fill(errno syscall.Errno) { d.errno.Store(uint32(errno)) }

// TestRoom looks at what is free: less than the reserve is an error, until an eighth
// more than that is free.
func TestRoom(t *testing.T) {
	var free, inodes uint64 = 1 << 30, 0
	o := Options{Dir: "/store", Origin: testOrigin, FS: vfs.NewMem(), FlushEvery: -1, Reserve: 800 << 20}
	o.free = func() (uint64, uint64, error) { return free, inodes, nil }
	s := open(t, o)
	for _, step := range []struct {
		free, inodes uint64
		full         bool
		says         string
	}{
		{1 << 30, 0, false, ""},
		{800 << 20, 0, false, ""},
		{799 << 20, 0, true, "799 MiB free, and 800 MiB"},
		{850 << 20, 0, true, "850 MiB free"},
		{901 << 20, 0, false, ""},
		{1 << 30, 999, true, "room for 999 files"},
		{1 << 30, 1000, false, ""},
	} {
		free, inodes = step.free, step.inodes
		err := s.Room()
		if _, ok := errors.AsType[*NoRoomError](err); ok != step.full || NoRoom(err) != step.full || ok && !strings.Contains(err.Error(), step.says) {
			t.Errorf("%d bytes and %d inodes: %v", step.free, step.inodes, err)
		}
	}
}

// TestFlushWaitsForRoom fills the disk under a store: what is here is read, what was
// committed is written once there is room, and nothing is lost.
func TestFlushWaitsForRoom(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS} {
		t.Run(errno.Error(), func(t *testing.T) {
			t.Parallel()
			disk := newFullDisk()
			o := Options{Dir: "/store", Origin: testOrigin, FS: disk, FlushEvery: -1, Reserve: -1, pause: 10 * time.Millisecond}
			s := open(t, o)
			put(t, plan(t, s, "a"))
			disk.fill(errno)
			put(t, plan(t, s, "b"))
			if err := s.Flush(context.Background()); !NoRoom(err) || !errors.Is(err, errno) {
				t.Fatalf("a flush gives %v", err)
			}
			if err := s.Room(); !NoRoom(err) {
				t.Errorf("there is room: %v", err)
			}
			if content(t, s, "a") != string(body("a")) || content(t, s, "b") != string(body("b")) {
				t.Error("a content is missing")
			}
			disk.fill(0)
			for err := s.Flush(context.Background()); err != nil; err = s.Flush(context.Background()) {
				if !NoRoom(err) {
					t.Fatal(err)
				}
			}
			if err := errors.Join(s.Room(), s.BrokenErr()); err != nil {
				t.Error(err)
			}
			s = reopen(t, s)
			verify(t, s)
			if p := s.Progress(); p.Fetched != 2 {
				t.Errorf("%+v", p)
			}
		})
	}
}

// TestCloseOfAFullStore gives up what the disk does not take, and says so; what was
// flushed before is there, and can be read while the disk is full.
func TestCloseOfAFullStore(t *testing.T) {
	disk := newFullDisk()
	o := Options{Dir: "/store", Origin: testOrigin, FS: disk, FlushEvery: -1, Reserve: -1, pause: 10 * time.Millisecond}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	put(t, plan(t, s, "a"))
	if err := s.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	put(t, plan(t, s, "b"))
	disk.fill(syscall.ENOSPC)
	began := time.Now()
	if err := s.Close(); !NoRoom(err) {
		t.Errorf("Close gives %v", err)
	}
	t.Logf("closed after %v", time.Since(began))
}

// TestBlobWithoutRoom writes a long content to a disk that becomes full, and to one
// that has less free than the reserve.
func TestBlobWithoutRoom(t *testing.T) {
	disk := newFullDisk()
	free := uint64(1 << 40)
	o := Options{Dir: "/store", Origin: testOrigin, FS: disk, FlushEvery: -1}
	o.free = func() (uint64, uint64, error) { return free, 0, nil }
	s := open(t, o)
	for name, fill := range map[string]func(){
		"full":    func() { disk.fill(syscall.ENOSPC) },
		"reserve": func() { free = 0 },
	} {
		blob, err := s.NewBlob()
		if err != nil {
			t.Fatal(err)
		}
		fill()
		_, err = blob.Write(make([]byte, 3*roomStep))
		if _, ok := errors.AsType[*DiskError](err); !ok || !NoRoom(err) {
			t.Errorf("%s: %v", name, err)
		}
		disk.fill(0)
		free = 1 << 40
		if err := errors.Join(s.Room(), blob.Abort()); err != nil {
			t.Error(err)
		}
	}
}
