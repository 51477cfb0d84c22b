package replica

import (
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror/objects/objectstest"
)

// fullDisk is a disk that may have no room.
type fullDisk struct {
	vfs.FS
	full atomic.Bool
	// free is what it says that it has, in bytes; 0: much.
	free atomic.Uint64
	// quiet has it not say so before it is written to.
	quiet bool
}

func (d *fullDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	if d.full.Load() && !d.quiet {
		return vfs.DiskUsage{}, nil
	}
	if free := d.free.Load(); free > 0 {
		return vfs.DiskUsage{AvailBytes: free, TotalBytes: 1 << 40}, nil
	}
	return vfs.DiskUsage{AvailBytes: 1 << 40, TotalBytes: 1 << 40}, nil
}

func (d *fullDisk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if d.full.Load() {
		return nil, syscall.ENOSPC
	}
	return d.FS.Create(name, category)
}

// TestFullDisk has the local disk become full, which it says, or which shows as it is written to: what is
// here is served, what is not is an error that says why, and once there is room it comes.
func TestFullDisk(t *testing.T) {
	for name, quiet := range map[string]bool{"it says so": false, "writes fail": true} {
		t.Run(name, func(t *testing.T) {
			store := objectstest.New(objectstest.Options{})
			w := whole(t, 24, store, 50, worldOptions{files: 200, flat: true, blobs: true})
			disk := &fullDisk{FS: vfs.Default, quiet: quiet}
			r := opened(t, t.TempDir()+"/store", store, func(o *Options) {
				o.Store.FS, o.Store.Reserve, o.quiet, o.CacheSize = disk, 1, true, 1<<30
			})
			rd, here := newReader(r, 24), w.listing[0].Origin
			w.must(w.check(t.Context(), rd, cache.RootInode, here, here))
			disk.full.Store(true)
			w.must(w.check(t.Context(), rd, cache.RootInode, here, here))
			for _, k := range []int{60, 110, 160} { // each of another segment
				n := w.listing[k].Origin
				if _, err := rd.lookup(t.Context(), cache.RootInode, n); !cache.NoRoom(err) || errors.Is(err, cache.ErrNotFound) {
					t.Errorf("a file of which nothing is here: %v", err)
				} else if !strings.Contains(err.Error(), "the disk of") {
					t.Errorf("it says: %v", err)
				}
			}
			// Nothing can be taken back either, and that is known.
			taken := r.Status().Taken
			r.bound.Store(1)
			r.space.now.Add(restTicks + 1)
			_ = r.makeRoom(t.Context()) // one segment is there, which stays
			if s := r.byUse(); len(s) > 0 {
				err := r.takeBack(t.Context(), s[0])
				if now := r.Status().Taken; quiet && (err == nil || now != taken) || err == nil && now != 0 {
					t.Errorf("%d bytes of %d are taken after: %v", now, taken, err)
				}
			}
			r.bound.Store(1 << 30)
			disk.full.Store(false)
			w.must(w.checkAll(t.Context(), rd))
		})
	}
}

// TestRoomForATable has the disk have room for a table once, and not twice, as it stands there for
// a moment: nothing is downloaded.
func TestRoomForATable(t *testing.T) {
	store := objectstest.New(objectstest.Options{})
	w := whole(t, 27, store, 100, worldOptions{files: 100, flat: true, long: true})
	disk := &fullDisk{FS: vfs.Default}
	r := opened(t, t.TempDir()+"/store", store, func(o *Options) { o.Store.FS, o.Store.Reserve, o.quiet = disk, 1, true })
	rd, name := newReader(r, 27), w.listing[0].Origin
	s := r.catalog.Load().segs[0]
	w.must(r.namesOf(t.Context(), s, r.demand))
	before := r.Status().Downloaded
	disk.free.Store(uint64(s.Tables[1].Size) * 3 / 2)
	if _, err := rd.lookup(t.Context(), cache.RootInode, name); !cache.NoRoom(err) {
		t.Errorf("with room for one and a half tables: %v", err)
	}
	if came := r.Status().Downloaded - before; came > 0 {
		t.Errorf("%d bytes are downloaded for which there is no room", came)
	}
	disk.free.Store(uint64(s.Tables[1].Size)*2 + 1)
	w.must(w.check(t.Context(), rd, cache.RootInode, name, name))
}

// TestFullDiskInTheBackground has names come by themselves once there is room.
func TestFullDiskInTheBackground(t *testing.T) {
	store := objectstest.New(objectstest.Options{})
	w := whole(t, 25, store, 50, worldOptions{files: 200, flat: true})
	disk := &fullDisk{FS: vfs.Default}
	r := opened(t, t.TempDir()+"/store", store, func(o *Options) { o.Store.FS, o.Store.Reserve, o.quiet = disk, 1, true })
	disk.full.Store(true)
	r.spawn("names", r.fetchNames)
	eventually.True(t, "names do not come", func() bool { return r.Status().Retries == 0 && r.Status().NamesHere == 0 })
	disk.full.Store(false)
	eventually.True(t, "all names are here", r.Names().ListingComplete)
	w.must(w.checkAll(t.Context(), newReader(r, 25)))
}

// TestTableThatLacksAFile has a manifest say of a segment that it has more contents than are in
// its tables.
func TestTableThatLacksAFile(t *testing.T) {
	store := objectstest.New(objectstest.Options{})
	w := newWorld(t, 26, store, worldOptions{files: 100, flat: true})
	w.grow(100)
	empty := []byte("motefs table 1\n\x00\x00")
	s := &w.ready[0]
	s.Tables[1].Size, s.Tables[1].Sum = int64(len(empty)), cache.TableOf(empty).Sum
	w.replace(s, 1, empty)
	w.seal(nil)
	r := opened(t, t.TempDir()+"/store", store)
	_, err := newReader(r, 26).lookup(t.Context(), cache.RootInode, w.listing[3].Origin)
	if err == nil || errors.Is(err, cache.ErrNotFound) || !strings.Contains(err.Error(), "has no content") {
		t.Error(err)
	}
}
