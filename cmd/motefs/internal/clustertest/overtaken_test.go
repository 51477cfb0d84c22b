package clustertest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror/segments"
)

// TestOvertaken has a worker be so slow that others, who have nothing to do near the end, work at its
// segments too. They win, what the slow one wrote is gone once all have ended, and it ends well.
func TestOvertaken(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct {
		name string
		// begin has a worker be slow, and end, if there is one, has it be over when the others are done.
		begin, end func(m *member)
	}{
		{"its way to the origin is slow", func(m *member) { m.origin.be(trouble{slow: 4 * time.Second}) }, nil},
		{
			"its commits come late",
			func(m *member) { m.door.be(trouble{silent: true, only: "/" + segments.CommitsPrefix}) },
			func(m *member) { m.door.be(trouble{}) },
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := w.begin(t, 1000, 10*time.Millisecond, 150*time.Millisecond)
			r.apart = true
			t.Parallel()
			for range 3 {
				r.join()
			}
			r.committed(r.segments() / 4)
			lister := r.awaitLister()
			workers := slices.DeleteFunc(r.live(), func(m *member) bool { return m == lister })
			var slow *member // one that takes part by now
			r.until("a worker that has fetched", func() bool {
				k := slices.IndexFunc(workers, func(m *member) bool { return fetches.MatchString(m.Stderr.String()) })
				if k >= 0 {
					slow = workers[k]
				}
				return k >= 0
			})
			tc.begin(slow)
			if tc.end != nil {
				r.until("the end of the lister", lister.Ended)
				tc.end(slow)
			}
			r.finish()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			_, all := r.complete(ctx)
			r.checkObjects(ctx, all)
			if again := r.check(); again == 0 {
				t.Error("nothing was fetched twice")
			}
		})
	}
}
