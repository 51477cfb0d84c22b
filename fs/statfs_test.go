package fs

import (
	"math"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/motefs/motefs/cache"
)

// usageStore answers for statfs alone.
type usageStore struct {
	Store
	usage cache.Usage
}

func (s usageStore) Usage() cache.Usage { return s.usage }

// TestStatFs has the size of a mount be that of all files, as far as it is known, and what
// is used be what is here.
func TestStatFs(t *testing.T) {
	for _, tc := range []struct {
		usage           cache.Usage
		blocks, free, n uint64
	}{
		{cache.Usage{}, 0, 0, 0},
		{cache.Usage{Files: 10, Dirs: 2}, 0, 0, 12},
		{cache.Usage{Files: 1, Here: 1, Bytes: 1}, 1, 0, 1},
		{cache.Usage{Files: 1, Here: 1, Bytes: 4096}, 1, 0, 1},
		{cache.Usage{Files: 4_000_000, Here: 1_000_000, Bytes: 100 << 20}, 102_400, 76_800, 4_000_000},
		{cache.Usage{Files: 4_000_000, Here: 4_000_000, Bytes: 400 << 20}, 102_400, 0, 4_000_000},
		{cache.Usage{Files: 1, Here: 3, Bytes: 4096}, 1, 0, 1}, // counts that are not exact yet
		{cache.Usage{Files: math.MaxUint64, Here: 1, Bytes: math.MaxUint64}, math.MaxUint64/4096 + 1, 0, math.MaxUint64},
	} {
		f := &fsys{store: usageStore{usage: tc.usage}}
		var out fuse.StatfsOut
		if status := f.StatFs(nil, &fuse.InHeader{}, &out); status != fuse.OK || out.Blocks != tc.blocks || out.Bfree != tc.free || out.Bavail != 0 || out.Files != tc.n || out.Ffree != 0 {
			t.Errorf("%+v: %v, %+v", tc.usage, status, out)
		}
	}
}
