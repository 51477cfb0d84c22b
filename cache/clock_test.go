package cache

import (
	"fmt"
	"testing"
	"time"
)

// TestClockJumps opens a store again and again while the clock stands still, goes
// back and goes forward. No blob is put over another, and none is lost.
func TestClockJumps(t *testing.T) {
	backends(t, func(t *testing.T, o Options) {
		start := time.Now()
		now := start
		o.Now = func() time.Time { return now }
		s := open(t, o)
		var all []string
		for i, jump := range []time.Duration{0, 0, -time.Nanosecond, -2 * time.Nanosecond, -time.Hour, 24 * time.Hour, 24*time.Hour - 3, 0} {
			now = start.Add(jump)
			s = reopen(t, s)
			fresh := []string{fmt.Sprint("a", i), fmt.Sprint("b", i), fmt.Sprint("c", i)}
			putBlobs(t, s, fresh...)
			all = append(all, fresh...)
		}
		now = time.Unix(0, 0) // a machine without a battery
		s = reopen(t, s)
		putBlobs(t, s, "last")
		for _, name := range append(all, "last") {
			if got := content(t, s, name); got != fmt.Sprintf("%5s", name) {
				t.Errorf("%s holds %q", name, got)
			}
		}
		if r := verify(t, s); r.Blobs != uint64(len(all)+1) || r.Unreferenced != 0 {
			t.Errorf("report %+v", r)
		}
	})
}
