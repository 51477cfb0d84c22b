package cache

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// putBlobs lists names and gives each a content in a file of its own, 5 bytes long.
func putBlobs(t *testing.T, s *Store, ss ...string) {
	t.Helper()
	page := plan(t, s, ss...)
	for k := range page.Len() {
		if err := page.PutBlob(k, blob(t, s, fmt.Sprintf("%5s", page.Name(k))), 0, nil); err != nil {
			t.Fatal(err)
		}
	}
	commit(t, page)
}

// strangers puts names among the blobs that are none of ours.
func strangers(t *testing.T, fs vfs.FS) []string {
	t.Helper()
	paths := []string{"/store/blobs/00/notes.txt", "/store/blobs/00/00000000000000ff", "/store/blobs/00/0", "/store/blobs/precious"}
	for _, dir := range []string{"/store/blobs/00", "/store/blobs/01/0000000000000001"} {
		if err := fs.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range paths {
		if err := writeSmall(fs, path, "x"); err != nil {
			t.Fatal(err)
		}
	}
	return append(paths, "/store/blobs/01/0000000000000001")
}

// TestReclaim has the power cut after blobs came into place and before their entries
// were on the disk, again and again.
func TestReclaim(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	disk := vfs.NewCrashableMem()
	kept := 0
	var s *Store
	for round := range 10 {
		s = open(t, Options{Dir: "/store", Origin: testOrigin, FS: disk, FlushEvery: -1})
		lost := rng.IntN(20)
		for k := range rng.IntN(20) {
			putBlobs(t, s, fmt.Sprintf("k%d%02d", round, k))
			kept++
		}
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		for k := range lost {
			putBlobs(t, s, fmt.Sprintf("l%d%02d", round, k))
		}
		disk = disk.CrashClone(vfs.CrashCloneCfg{})
		s = open(t, Options{Dir: "/store", Origin: testOrigin, FS: disk, FlushEvery: -1})
		if r := verify(t, s); r.Unreferenced != uint64(lost) || r.Blobs != uint64(kept) {
			t.Errorf("%d blobs lost, %d kept: %+v", lost, kept, r)
		}
		others := strangers(t, disk)
		if files, bytes, err := s.Reclaim(t.Context()); err != nil || files != uint64(lost) || bytes != 13*files { // 5, and a sum
			t.Errorf("%d blobs are lost; %d of %d bytes are reclaimed, %v", lost, files, bytes, err)
		}
		for _, path := range others {
			if _, err := disk.Stat(path); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			if err := disk.Remove(path); err != nil {
				t.Error(err)
			}
		}
		if r := verify(t, s); r.Unreferenced != 0 || r.Blobs != uint64(kept) {
			t.Errorf("%d blobs kept: %+v", kept, r)
		}
		// A power cut may bring back what was removed just before, which does no harm.
		if err := s.blobs.each(func(shard string, _ []string) error { return syncDir(disk, s.blobs.path(shard)) }); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, Options{Dir: "/store", Origin: testOrigin, FS: disk, FlushEvery: -1})
	for _, name := range list(t, s, RootInode) {
		if got := content(t, s, name); got != fmt.Sprintf("%5s", name) {
			t.Errorf("%s holds %q", name, got)
		}
	}
}

// TestReclaimOfADamagedStore has entries that cannot be read: what they may name stays.
func TestReclaimOfADamagedStore(t *testing.T) {
	s := open(t, Options{Dir: "/store", Origin: testOrigin, FS: vfs.NewMem(), FlushEvery: -1})
	putBlobs(t, s, "a", "b")
	if err := blob(t, s, "lost").finish(); err != nil {
		t.Fatal(err)
	}
	if err := s.db.Set(appendEntryKey(nil, RootInode, "a"), []byte{0xff}, pebble.NoSync); err != nil {
		t.Fatal(err)
	}
	if files, _, err := s.Reclaim(t.Context()); !errors.Is(err, ErrCorrupt) || files != 0 {
		t.Errorf("%d files are reclaimed, %v", files, err)
	}
	if r, err := s.Verify(t.Context(), func(string) {}); err != nil || r.Unreferenced != 0 || r.Problems == 0 {
		t.Errorf("verify: %+v, %v", r, err)
	}
	ids := 0
	if err := s.blobs.each(func(_ string, names []string) error { ids += len(names); return nil }); err != nil || ids != 3 {
		t.Errorf("%d blob files, %v", ids, err)
	}
}
