package replica

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/objects/objectstest"
)

// TestFolderOfOthers opens a replica in folders that are not its own: the error says whose it is, and
// nothing there is changed.
func TestFolderOfOthers(t *testing.T) {
	store := objectstest.New(objectstest.Options{})
	w := whole(t, 61, store, 50, worldOptions{files: 100, flat: true})
	open := func(dir string) error {
		r, err := Open(t.Context(), Options{Objects: store, Store: optionsOf(dir)})
		if err == nil {
			return errors.Join(errors.New("it is opened"), r.Close())
		}
		return err
	}
	for name, c := range map[string]struct {
		make func(t *testing.T, dir string)
		want error
	}{
		"another program's": {func(t *testing.T, dir string) {
			w.must(os.Mkdir(dir, 0o700))
			w.must(os.WriteFile(filepath.Join(dir, "thesis.tex"), []byte("text"), 0o600))
		}, cache.ErrFormat},
		"one with a folder segments": {func(t *testing.T, dir string) {
			w.must(os.MkdirAll(filepath.Join(dir, ours, "tmp"), 0o700))
			w.must(os.WriteFile(filepath.Join(dir, ours, "tmp", "thesis.tex"), []byte("text"), 0o600))
		}, cache.ErrFormat},
		"a plain mirror's": {func(t *testing.T, dir string) {
			s, err := cache.Open(cache.Options{Dir: dir, Origin: "http://origin/", Reserve: -1})
			w.must(err)
			w.must(s.Close())
		}, cache.ErrOrigin},
		"another replica's": {func(t *testing.T, dir string) {
			other := objectstest.New(objectstest.Options{})
			whole(t, 62, other, 50, worldOptions{files: 100, flat: true})
			w.must(opened(t, dir, other).Close())
		}, ErrOtherMirror},
		"one that is open": {func(t *testing.T, dir string) { opened(t, dir, store) }, cache.ErrInUse},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			c.make(t, dir)
			before := diskUsage(t, dir)
			if err := open(dir); !errors.Is(err, c.want) {
				t.Errorf("it says: %v", err)
			}
			if after := diskUsage(t, dir); c.want != cache.ErrInUse && after != before {
				t.Errorf("%d bytes are there, and were %d", after, before)
			}
		})
	}
	// Who is open goes on.
	dir := filepath.Join(t.TempDir(), "store")
	r := opened(t, dir, store)
	if err := open(dir); !errors.Is(err, cache.ErrInUse) {
		t.Error(err)
	}
	w.must(w.checkAll(t.Context(), newReader(r, 61)))
}

// filling is a disk that becomes full in the middle of a file: it takes so many bytes more.
type filling struct {
	vfs.FS
	left atomic.Int64
}

func (d *filling) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, category)
	if err != nil {
		return nil, err
	}
	return &fillingFile{f, d}, nil
}

type fillingFile struct {
	vfs.File
	d *filling
}

func (f *fillingFile) Write(p []byte) (int, error) {
	if f.d.left.Add(-int64(len(p))) < 0 {
		return 0, syscall.ENOSPC
	}
	return f.File.Write(p)
}

// TestDiskFillsUp has the disk become full anywhere in the middle of bringing a segment: readers get the truth
// or an error that says so, and once there is room all comes.
func TestDiskFillsUp(t *testing.T) {
	store := objectstest.New(objectstest.Options{})
	w := whole(t, 63, store, 50, worldOptions{files: 200, flat: true, blobs: true, long: true})
	for _, room := range []int64{0, 100, 3_000, 20_000, 60_000, 100_000, 150_000} {
		disk := &filling{FS: vfs.Default}
		disk.left.Store(1 << 40)
		r := opened(t, t.TempDir()+"/store", store, func(o *Options) { o.Store.FS, o.quiet = disk, true })
		rd := newReader(r, 63)
		w.must(w.check(t.Context(), rd, cache.RootInode, w.listing[0].Origin, w.listing[0].Origin))
		disk.left.Store(room)
		met := false
		for _, n := range w.listing {
			err := w.check(t.Context(), rd, cache.RootInode, n.Origin, n.Origin)
			if err != nil && !cache.NoRoom(err) || errors.Is(err, cache.ErrNotFound) {
				t.Fatalf("with room for %d bytes: %v", room, err)
			}
			if met = met || err != nil; met {
				break
			}
		}
		if !met {
			t.Errorf("with room for %d bytes the disk never was full", room)
		}
		disk.left.Store(1 << 40)
		w.must(w.checkAll(t.Context(), rd))
		w.must(r.Close())
	}
}
