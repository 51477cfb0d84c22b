//go:build !race

// With the race detector a sync.Pool forgets things, so that what is counted here
// is only what is shipped.

package origin

import (
	"errors"
	"testing"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire"
	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// TestAllocations wants no allocation for a file: the same few for a batch,
// however long.
func TestAllocations(t *testing.T) {
	s := wiretest.Replay(t)
	for _, pipeline := range []int{0, 1, 1 << 20} {
		c := newAuto(t, at(s.URL(), wire.Options{Pipeline: pipeline}))
		checkAllocations(t, c, nil)
		checkAllocations(t, c, func(int) ([]byte, int64) { return replayETag, 0 })
	}
}

var replayETag = []byte(wiretest.ReplayETag)

func checkAllocations(t *testing.T, c *Client, known func(i int) ([]byte, int64)) {
	t.Helper()
	r := receiveOnly(func(_ int, obj *mirror.Object, err error) {
		if known != nil && errors.Is(err, mirror.ErrNotModified) {
			return
		}
		if known != nil || err != nil || len(obj.ETag) == 0 || obj.ModTime == 0 || len(obj.Body) != wiretest.ReplayLen {
			t.Fatalf("%+v, %v", obj, err)
		}
	})
	r.Known = known
	perBatch := func(n int) float64 {
		names := numbered(n)
		fetch := func() {
			if err := c.Fetch(t.Context(), names, r); err != nil {
				t.Fatal(err)
			}
		}
		for range 8 { // until the client knows its guards
			fetch()
		}
		return testing.AllocsPerRun(max(20, 20_000/n), fetch)
	}
	few, many := perBatch(100), perBatch(3100)
	if perFile := (many - few) / 3000; perFile > 0.01 {
		t.Errorf("%.3f allocations a file (%v for 100 files, %v for 3100)", perFile, few, many)
	}
	if few > 45 { // a new connection every so many rounds among them
		t.Errorf("%v allocations a batch", few)
	}
}
