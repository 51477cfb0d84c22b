package mirror_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// smallDisk is a disk that says what is free of it as it is told.
type smallDisk struct {
	vfs.FS
	free atomic.Uint64
}

func (d *smallDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: d.free.Load()}, nil
}

const plenty = 1 << 40

// onSmallDisk gives the rig a store on a disk with plenty of room.
func (r *rig) onSmallDisk() *smallDisk {
	r.t.Helper()
	d := &smallDisk{FS: vfs.NewMem()}
	d.free.Store(plenty)
	r.must(r.store.Close())
	var err error
	r.store, err = cache.Open(cache.Options{Dir: "/store", Origin: r.server.URL(), FlushEvery: -1, FS: d})
	r.must(err)
	return d // the rig closes the store
}

// TestMirrorPausesWithoutRoom lets the disk become full in the middle: nothing more
// is asked for, and the run goes on once there is room.
func TestMirrorPausesWithoutRoom(t *testing.T) {
	r := newRig(t, serve.Options{PageSize: 500}, serve.NewSynthetic(serve.SyntheticOptions{Files: 20_000}))
	disk := r.onSmallDisk()
	r.server.SetFaults(origintest.Faults{OnGet: func(_ []byte, n int) origintest.Fault {
		if n == 3000 {
			disk.free.Store(1 << 20)
		}
		return origintest.Fault{}
	}})
	ended := make(chan error, 1)
	go func() { ended <- r.run(nil) }()
	eventually.True(t, "the disk to be full", func() bool { return cache.NoRoom(r.store.Room()) })
	if p := r.store.Progress(); p.Complete() || p.Failed > 0 {
		t.Errorf("without room %+v", p)
	}
	disk.free.Store(plenty)
	r.must(<-ended)
	r.complete(20_000)
}

// TestMirrorGivesUpWithoutRoom waits for room no longer than for the origin.
func TestMirrorGivesUpWithoutRoom(t *testing.T) {
	r := newRig(t, serve.Options{}, serve.NewSynthetic(serve.SyntheticOptions{Files: 100}))
	disk := r.onSmallDisk()
	disk.free.Store(0)
	if err := r.run(soon); !cache.NoRoom(err) || errors.Is(err, mirror.ErrOutage) {
		t.Errorf("it ends with %v", err)
	}
	if n := r.gets(); n > 0 {
		t.Errorf("%d files were asked for", n)
	}
	disk.free.Store(plenty)
	r.must(r.run(nil))
	r.complete(100)
}

// TestReaderWithoutRoom asks for files while the disk is full: one that is not here
// is an error at once, and comes once there is room.
func TestReaderWithoutRoom(t *testing.T) {
	r := newRig(t, serve.Options{}, named("a", "b"))
	disk := r.onSmallDisk()
	e := r.engine(nil)
	if _, err := e.Fetch(context.Background(), cache.RootInode, "a"); err != nil {
		t.Fatal(err)
	}
	disk.free.Store(0)
	if _, err := e.Fetch(context.Background(), cache.RootInode, "b"); !cache.NoRoom(err) {
		t.Errorf("b gives %v", err)
	}
	if entry, err := e.Fetch(context.Background(), cache.RootInode, "a"); err != nil || !entry.Here() {
		t.Errorf("a gives %+v, %v", entry, err)
	}
	disk.free.Store(plenty)
	if entry, err := e.Fetch(context.Background(), cache.RootInode, "b"); err != nil || !entry.Here() {
		t.Errorf("b gives %+v, %v", entry, err)
	}
}
