package replica

import (
	"context"
	"errors"
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/objectstest"
	"github.com/motefs/motefs/mirror/segments"
)

// blobDisk is a disk that may keep the blobs that are removed, and tells when a shard of them is
// listed.
type blobDisk struct {
	vfs.FS
	keeps atomic.Bool
	lists atomic.Int64 // of folders of blobs
	// listed is called before and after a folder of blobs is listed, where it is not nil.
	listed func(dir string, after bool)
}

func (*blobDisk) isBlob(path string) bool {
	return strings.Contains(path, string(filepath.Separator)+"blobs"+string(filepath.Separator))
}

func (d *blobDisk) Remove(name string) error {
	if d.keeps.Load() && d.isBlob(name) && filepath.Base(filepath.Dir(name)) != "tmp" {
		return syscall.EIO
	}
	return d.FS.Remove(name)
}

func (d *blobDisk) List(dir string) ([]string, error) {
	if d.isBlob(dir) {
		d.lists.Add(1)
	}
	if d.listed == nil || !d.isBlob(dir) {
		return d.FS.List(dir)
	}
	d.listed(dir, false)
	names, err := d.FS.List(dir)
	d.listed(dir, true)
	return names, err
}

// blobsOn is how long the blobs are that stand on the disk, in bytes, and how many they are.
func blobsOn(tb testing.TB, dir string) (n int64, files int) {
	tb.Helper()
	if err := filepath.WalkDir(filepath.Join(dir, "blobs"), func(_ string, d iofs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			info, bad := d.Info()
			if err = bad; err == nil {
				n += info.Size()
				files++
			}
		}
		return err
	}); err != nil {
		tb.Fatal(err)
	}
	return n, files
}

// tables is how much of what is taken is no blobs.
func (r *Replica) tables() (n int64) {
	for _, s := range r.catalog.Load().segs {
		n += s.size(true)
	}
	return n
}

func blobWorld(t *testing.T, seed uint64, store *objectstest.Memory) *world {
	t.Helper()
	return whole(t, seed, store, 20, worldOptions{files: 200, flat: true, blobs: true})
}

// TestBlobsThatStay has the disk not remove the blobs of what is taken back: they count, and go once
// it does, also after a restart.
func TestBlobsThatStay(t *testing.T) {
	for name, restart := range map[string]bool{"at once": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			store := objectstest.New(objectstest.Options{})
			w := blobWorld(t, 31, store)
			disk := &blobDisk{FS: vfs.Default}
			dir := t.TempDir() + "/store"
			with := func(o *Options) { o.Store.FS, o.CacheSize = disk, 1<<30 }
			r := opened(t, dir, store, with)
			w.must(w.checkAll(t.Context(), newReader(r, 31)))
			all, _ := blobsOn(t, dir)
			disk.keeps.Store(true)
			r.bound.Store(1000)
			r.space.now.Add(restTicks + 1)
			if err := r.makeRoom(t.Context()); err == nil {
				t.Error("blobs that stay are no error")
			}
			if s := r.Status(); s.TakenBack == 0 || s.Taken-r.tables() != all {
				t.Errorf("of %d bytes of blobs that stay, %d are counted", all, s.Taken-r.tables())
			}
			// All that are here are not gone through at every tick.
			for range dropTicks - restTicks - 2 {
				r.space.now.Add(1)
				walked := disk.lists.Load()
				if err := r.makeRoom(t.Context()); err != nil || disk.lists.Load() != walked {
					t.Fatalf("tick %d: %d folders of blobs are listed, %v", r.space.now.Load(), disk.lists.Load()-walked, err)
				}
			}
			if restart {
				w.must(r.Close())
				r = opened(t, dir, store, with)
				eventually.True(t, "the blobs are counted", func() bool { return r.Status().Taken-r.tables() == all })
				r.bound.Store(1000)
			}
			disk.keeps.Store(false)
			r.space.now.Add(dropTicks)
			r.pass(t)
			left, _ := blobsOn(t, dir)
			if s := r.Status(); len(r.byUse()) > 1 || s.Taken-r.tables() != left {
				t.Errorf("%d segments take room, %d bytes of blobs are left, and %d counted", len(r.byUse()), left, s.Taken-r.tables())
			}
			r.bound.Store(1 << 30)
			w.must(w.checkAll(t.Context(), newReader(r, 31)))
		})
	}
}

// heldBlobs is an object store whose blobs come once they are let, from their first byte on.
type heldBlobs struct {
	objects.Store
	begun, let chan struct{}
}

func (h *heldBlobs) Get(ctx context.Context, name string, off, n int64) (io.ReadCloser, int64, error) {
	body, size, err := h.Store.Get(ctx, name, off, n)
	if err == nil && strings.HasPrefix(name, segments.BlobsPrefix) {
		body = &heldBlob{ReadCloser: body, h: h}
	}
	return body, size, err
}

type heldBlob struct {
	io.ReadCloser
	h    *heldBlobs
	once sync.Once
}

func (b *heldBlob) Read(p []byte) (int, error) {
	b.once.Do(func() {
		announce(b.h.begun)
		<-b.h.let
	})
	return b.ReadCloser.Read(p)
}

// TestBlobThatComesLate has a blob come once its segment was taken back: it counts, and goes.
func TestBlobThatComesLate(t *testing.T) {
	plain := objectstest.New(objectstest.Options{})
	w := blobWorld(t, 32, plain)
	held := &heldBlobs{Store: plain, begun: make(chan struct{}, 1), let: make(chan struct{})}
	dir := t.TempDir() + "/store"
	r := opened(t, dir, held, func(o *Options) { o.CacheSize = 1 << 30 })
	file := w.anyFile(true)
	ctx, leave := contextWithCancel(t)
	read := make(chan error, 1)
	go func() {
		_, err := newReader(r, 32).lookup(ctx, cache.RootInode, file)
		read <- err
	}()
	<-held.begun
	s := r.byUse()[0]
	r.space.now.Add(restTicks + 1)
	w.must(r.takeBack(t.Context(), s))
	leave()
	if err := <-read; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(held.let)
	eventually.True(t, "the blob comes", func() bool { return r.counts.blobs.Load() == 1 })
	on, files := blobsOn(t, dir)
	if files != 1 || s.size(true) != 0 || r.Status().Taken != on {
		t.Errorf("%d blobs of %d bytes are here, and %+v", files, on, r.Status())
	}
	other := w.listing[len(w.listing)-1].Origin
	w.must(w.check(t.Context(), newReader(r, 32), cache.RootInode, other, other))
	r.bound.Store(1)
	r.pass(t)
	if s.local() != 0 || len(r.byUse()) != 1 {
		t.Errorf("%d bytes of it are still here, and %d segments", s.local(), len(r.byUse()))
	}
	r.bound.Store(1 << 30)
	w.must(w.checkAll(t.Context(), newReader(r, 32)))
}

// TestStrayBlobs has files stand among the blobs that are no file's: they are removed as the replica is
// opened, and nothing else is.
func TestStrayBlobs(t *testing.T) {
	store := objectstest.New(objectstest.Options{})
	w := blobWorld(t, 33, store)
	dir := t.TempDir() + "/store"
	r := opened(t, dir, store)
	w.must(w.checkAll(t.Context(), newReader(r, 33)))
	all, files := blobsOn(t, dir)
	w.must(r.Close())
	stray := filepath.Join(dir, "blobs", "05", "0000010000000005")
	w.must(os.MkdirAll(filepath.Dir(stray), 0o700))
	w.must(os.WriteFile(stray, make([]byte, 1000), 0o600))
	foreign := filepath.Join(dir, "blobs", "05", "notes.txt")
	w.must(os.WriteFile(foreign, make([]byte, 10), 0o600))
	r = opened(t, dir, store)
	eventually.True(t, "the blobs are counted", func() bool { return r.Status().Taken-r.tables() == all })
	if on, n := blobsOn(t, dir); on != all+10 || n != files+1 {
		t.Errorf("%d files of %d bytes, and %d of %d were here", n, on, files, all)
	}
	w.must(w.checkAll(t.Context(), newReader(r, 33)))
}

// TestBlobsThatComeAsTheyAreCounted has a blob come before, during and after the walk through its
// shard: it is counted once.
func TestBlobsThatComeAsTheyAreCounted(t *testing.T) {
	for _, when := range []string{"before", "as its folder is listed", "once its folder is listed", "after"} {
		t.Run(when, func(t *testing.T) {
			store := objectstest.New(objectstest.Options{})
			w := blobWorld(t, 34, store)
			dir := t.TempDir() + "/store"
			r := opened(t, dir, store)
			rd := newReader(r, 34)
			w.must(w.checkAll(t.Context(), rd))
			all, _ := blobsOn(t, dir)
			// One of them is removed, to come again.
			file := w.anyFile(true)
			e, err := rd.lookup(t.Context(), cache.RootInode, file)
			w.must(err)
			if dropped, err := r.store.DropBlob(e.Inode); !dropped || err != nil {
				t.Fatal(dropped, err)
			}
			w.must(r.Close())

			var come sync.Once
			var now atomic.Pointer[Replica]
			opening := make(chan struct{})
			disk := &blobDisk{FS: vfs.Default}
			bring := func() {
				<-opening
				r := now.Load()
				come.Do(func() { w.must(w.check(t.Context(), newReader(r, 34), cache.RootInode, file, file)) })
			}
			disk.listed = func(dir string, after bool) {
				name, shard := filepath.Base(dir), cache.BlobShard(e.Inode)
				switch {
				case name == "tmp":
				case when == "before" && name == "00" && !after,
					when == "as its folder is listed" && name == hex(shard) && !after,
					when == "once its folder is listed" && name == hex(shard) && after,
					when == "after" && name == "ff" && after:
					bring()
				}
			}
			r = opened(t, dir, store, func(o *Options) { o.Store.FS = disk })
			now.Store(r)
			close(opening)
			eventually.True(t, "the blobs are counted", func() bool { return r.Status().Taken-r.tables() >= all })
			w.must(r.makeRoom(t.Context())) // the walk is over
			if n := r.Status().Taken - r.tables(); n != all {
				t.Errorf("%d bytes are here, and %d counted", all, n)
			}
		})
	}
}

func hex(shard int) string {
	return string("0123456789abcdef"[shard>>4]) + string("0123456789abcdef"[shard&15])
}
