package clustertest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// asked is something that an origin was asked for.
type asked struct {
	at   time.Time
	much int64
}

// TestLimitsOfAll has three processes share a limit, of which one is killed and another joins. In no
// stretch of time is the origin asked for more than the limit and what a second or two of it are, as what
// is asked for is on its way, and guards (see package wire) are counted as they are asked for.
func TestLimitsOfAll(t *testing.T) {
	const files, bodySize, filesLimit, slack = 1400, 200, 140, 2 // slack in seconds
	w := newWorld(t)
	for _, limit := range []struct {
		flag  string
		bytes bool
		much  int64 // a second
	}{
		{"--limit-files", false, filesLimit},
		{"--limit-rate", true, filesLimit * bodySize},
	} {
		t.Run(limit.flag, func(t *testing.T) {
			r := w.beginOf(t, serve.SyntheticOptions{Files: files, FilesPerDir: 33, BodySize: bodySize, VarySize: true, Validators: true}, 0, 0)
			t.Parallel()
			sizes := map[string]int64{}
			for i := range r.src.Len() {
				sizes[r.src.Name(i)] = int64(len(r.src.Body(i)))
			}
			var mu sync.Mutex
			var all []asked
			r.origin.SetFaults(origintest.Faults{OnGet: func(name []byte, _ int) origintest.Fault {
				mu.Lock()
				defer mu.Unlock()
				much, first := sizes[string(name)]
				if !limit.bytes {
					much = 1
				}
				if first || !limit.bytes {
					all = append(all, asked{time.Now(), much})
				}
				delete(sizes, string(name))
				return origintest.Fault{}
			}})
			flags := []string{limit.flag, fmt.Sprint(limit.much)}
			for range 3 {
				r.join(flags...)
			}
			r.committed(r.segments() / 3)
			lister := r.awaitLister()
			for _, m := range r.live() {
				if m != lister {
					r.kill(m)
					break
				}
			}
			r.committed(r.segments() / 2)
			r.join(flags...)
			r.finish()
			mu.Lock()
			most, took := surplus(all, limit.much), all[len(all)-1].at.Sub(all[0].at)
			n := len(all)
			mu.Unlock()
			t.Logf("%d files in %v, at most what %.2f s more would give", n, took, most)
			if most > slack {
				t.Errorf("the origin was asked for what %.1f s more would give", most)
			}
			r.check()
		})
	}
}

// surplus is by how many seconds of a limit more was asked for than it allows, in the stretch of time in
// which that was most.
func surplus(all []asked, limit int64) (most float64) {
	low, sum := 0.0, 0.0 // what was asked for, less what was allowed, and the least of it
	for _, a := range all {
		allowed := a.at.Sub(all[0].at).Seconds()
		low = min(low, sum/float64(limit)-allowed)
		sum += float64(a.much)
		most = max(most, sum/float64(limit)-allowed-low)
	}
	return most
}

// TestComplaintToOne has the origin answer some requests of one process with a 429. All slow down, and
// nothing is lost.
func TestComplaintToOne(t *testing.T) {
	t.Parallel()
	r := newWorld(t).begin(t, 800, 40*time.Millisecond, 0)
	r.apart = true
	for range 3 {
		r.join().origin.be(held)
	}
	for _, m := range r.members {
		r.until("all to take part", func() bool { return m.origin.met.Load() > 0 })
	}
	// None ends before all have slowed down. One that had not heard of the first before takes its
	// complaints for old, so that there are more of them.
	complaints := held
	complaints.tooFast = 8
	first, others := r.members[0], r.members[1:]
	var last time.Time
	r.until("all to slow down", func() bool {
		if time.Since(last) > 10*time.Second {
			first.origin.be(complaints)
			last = time.Now()
		}
		return !slices.ContainsFunc(others, func(m *member) bool {
			return !strings.Contains(m.Stderr.String(), "another asks too fast; this process slows down too")
		})
	})
	for _, m := range r.members {
		m.origin.be(trouble{})
	}
	r.finish()
	if again := r.check() - r.overtakes(); again > 0 {
		t.Errorf("%d segments are given out again", again)
	}
}
