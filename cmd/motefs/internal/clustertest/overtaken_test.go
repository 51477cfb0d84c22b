package clustertest

import (
	"context"
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
		// door is the way that is slow.
		door func(m *member) *door
		// first is how the worker is slow that has just come, and then how it is once it works at a
		// segment; ends: that is over when the others are done.
		first, then trouble
		ends        bool
	}{
		{
			"its way to the origin is slow", func(m *member) *door { return m.origin },
			trouble{slow: 5 * time.Second, only: "file-"}, trouble{slow: 5 * time.Second}, false,
		},
		{
			"its commits come late", func(m *member) *door { return m.door },
			trouble{silent: true, only: "/" + segments.CommitsPrefix, puts: true}, trouble{silent: true, only: "/" + segments.CommitsPrefix}, true,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := w.begin(t, 500, 10*time.Millisecond, 150*time.Millisecond)
			r.apart = true
			t.Parallel()
			others := []*member{r.join()}
			r.until("a lister", func() bool { return r.lister() == others[0] })
			others = append(others, r.join())
			for _, m := range others { // until the slow one works at a segment
				m.origin.be(held)
			}
			slow := r.join()
			tc.door(slow).be(tc.first)
			r.until("a slow one at work", func() bool { return tc.door(slow).met.Load() > 0 })
			tc.door(slow).be(tc.then)
			for _, m := range others {
				m.origin.be(trouble{})
			}
			if tc.ends {
				r.until("the end of the others", func() bool { return others[0].Ended() && others[1].Ended() })
				tc.door(slow).be(trouble{})
			}
			r.finish()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			_, all := r.complete(ctx)
			r.checkObjects(ctx, all)
			r.check()
			if r.overtakes() == 0 {
				t.Error("nobody is overtaken")
			}
		})
	}
}
