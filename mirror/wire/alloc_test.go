//go:build !race

// With the race detector a sync.Pool forgets things, so that what is counted here
// is only what is shipped.

package wire

import (
	"fmt"
	"hash/crc32"
	"testing"

	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// TestAllocations wants no allocation for a file: the same few for a batch,
// however long.
func TestAllocations(t *testing.T) {
	s := wiretest.Replay(t)
	for _, pipeline := range []int{0, 1, 8, 1 << 20} {
		c := newAuto(t, Options{URL: s.Base(), Pipeline: pipeline})
		checkAllocations(t, c, nil)
		checkAllocations(t, c, func(dst []byte, _ int) []byte { return append(dst, "If-None-Match: "+wiretest.ReplayETag+"\r\n"...) })
		if got, want := c.pipelining.depth() > 1, pipeline != 1; got != want {
			t.Errorf("pipeline %d: on is %v", pipeline, got)
		}
	}
}

// TestAllocationsOfSums is the same where each body is checked.
func TestAllocationsOfSums(t *testing.T) {
	s := wiretest.ReplayWith(t, func(body string) string { return fmt.Sprintf("X-Sum: %08x\r\n", crc32.ChecksumIEEE([]byte(body))) })
	checked := 0
	c := newAuto(t, Options{URL: s.Base(), Sum: func(dst []byte, fields *Fields) ([]byte, *Algorithm) {
		checked++
		return sumField(dst, fields)
	}})
	checkAllocations(t, c, nil)
	if checked < 3000 {
		t.Errorf("%d bodies were checked", checked)
	}
}

func checkAllocations(t *testing.T, c *Client, fields func(dst []byte, i int) []byte) {
	t.Helper()
	takeIt := func(_ int, a *Answer, err error) {
		whole := err == nil && a.Status == 200 && a.ModTime != 0 && len(a.Body) == wiretest.ReplayLen
		unchanged := err == nil && a.Status == 304 && len(a.Body) == 0
		if len(a.ETag) == 0 || !whole && (!unchanged || fields == nil) || whole && fields != nil {
			t.Fatalf("%+v, %v", a, err)
		}
	}
	perBatch := func(n int) float64 {
		b := take(numbered(n), takeIt)
		b.Fields = fields
		get := func() {
			if err := c.Get(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		get()
		get()
		return testing.AllocsPerRun(20, get)
	}
	few, many := perBatch(100), perBatch(3100)
	if perFile := (many - few) / 3000; perFile > 0.01 {
		t.Errorf("%.3f allocations a file (%v for 100 files, %v for 3100)", perFile, few, many)
	}
	if few > 40 {
		t.Errorf("%v allocations a batch", few)
	}
}
