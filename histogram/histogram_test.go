package histogram

import (
	"sync"
	"testing"
	"time"
)

func TestObserve(t *testing.T) {
	var h Histogram
	for _, d := range []time.Duration{-time.Second, 0, time.Microsecond, time.Microsecond + 1, time.Millisecond, 50 * time.Second, time.Hour} {
		h.Observe(d)
	}
	s := h.Snapshot()
	if want := 2*time.Microsecond + 1 + time.Millisecond + 50*time.Second + time.Hour; s.Count != 7 || s.Sum != want {
		t.Errorf("%d durations of %v, want 7 of %v", s.Count, s.Sum, want)
	}
	for i, bound := range Bounds {
		want := uint64(5)
		switch {
		case bound == time.Microsecond:
			want = 3 // what is below 0, 0, and the bound itself
		case bound < time.Millisecond:
			want = 4
		case bound == 50*time.Second:
			want = 6 // the hour is in none
		}
		if s.Upto[i] != want {
			t.Errorf("%d of at most %v, want %d", s.Upto[i], bound, want)
		}
		if i > 0 && bound <= Bounds[i-1] {
			t.Errorf("bound %v after %v", bound, Bounds[i-1])
		}
	}
}

// TestTogether has many observe at once, and one who reads: nothing is lost, and no
// snapshot counts less than one before it.
func TestTogether(t *testing.T) {
	const observers, each = 8, 1000
	var h Histogram
	var wg sync.WaitGroup
	for range observers {
		wg.Go(func() {
			for i := range each {
				h.Observe(time.Duration(i) * time.Microsecond)
			}
		})
	}
	for last := uint64(0); last < observers*each; {
		s := h.Snapshot()
		if s.Count < last || s.Upto[len(Bounds)-1] > s.Count {
			t.Fatalf("%+v after %d", s, last)
		}
		last = s.Count
	}
	wg.Wait()
	if allocs := testing.AllocsPerRun(100, func() { h.Observe(time.Millisecond) }); allocs != 0 {
		t.Errorf("%v allocations to observe", allocs)
	}
}
