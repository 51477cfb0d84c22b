package cache

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestDamagedTable flips one byte of the entries, in one place after another (the
// other keys have tables of their own, which are short): whatever meets it says
// ErrCorrupt, and nothing panics.
func TestDamagedTable(t *testing.T) {
	disk := vfs.NewMem()
	o := Options{Dir: "/store", Origin: testOrigin, FS: disk, FlushEvery: -1}
	s := open(t, o)
	// A block holds few names, since Pebble takes long over a damaged one: it
	// looks which bit was flipped.
	noise := rand.NewChaCha8([32]byte{1})
	for p := range 10 {
		var page []string
		for k := range 10 {
			page = append(page, fmt.Sprintf("%02d-%02d", p, k))
		}
		pg := plan(t, s, page...)
		for k := range page {
			buf := make([]byte, 4000)
			_, _ = noise.Read(buf)
			if err := pg.Put(k, buf, 0, nil); err != nil {
				t.Fatal(err)
			}
		}
		commit(t, pg)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{20_000, 100_000, 300_000} {
		damageTables(t, disk, at)
		s = open(t, o)
		problems := 0
		if _, err := s.Verify(context.Background(), func(string) { problems++ }); err == nil && problems == 0 || err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("damage at %d: %d problems, %v", at, problems, err)
		}
		bad := 0
		for i := range 100 {
			_, err := s.Lookup(RootInode, fmt.Sprintf("%02d-%02d", i/10, i%10))
			if err != nil {
				bad++
			}
			if err != nil && !errors.Is(err, ErrCorrupt) {
				t.Errorf("damage at %d: %v", at, err)
			}
		}
		if bad == 0 || bad > 50 {
			t.Errorf("damage at %d: %d of 100 lookups meet it", at, bad)
		}
		names, badOfDir := 0, 0
		if err := s.ReadDirPlus(RootInode, 0, func(_ DirEntry, _ Entry, err error) bool {
			names++
			if err != nil {
				badOfDir++
			}
			return true
		}); err != nil || names != 100 || badOfDir != bad {
			t.Errorf("damage at %d: the directory has %d names, %d without an entry, %v; %d lookups meet it", at, names, badOfDir, err, bad)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		damageTables(t, disk, at)
	}
}

// damageTables flips the same byte of every table that is long enough; a second
// time mends them.
func damageTables(t *testing.T, fs vfs.FS, at int64) {
	t.Helper()
	list, err := fs.List("/store/db")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range list {
		if !strings.HasSuffix(name, ".sst") {
			continue
		}
		f, err := fs.OpenReadWrite("/store/db/"+name, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		var b [1]byte
		if _, err := f.ReadAt(b[:], at); err == nil {
			b[0] ^= 0x55
			if _, err := f.WriteAt(b[:], at); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
