package page

import (
	"math"

	"github.com/motefs/motefs/histogram"
)

// within is the time, in seconds, within which the part q of all durations ended that were
// counted since before: linear within a bucket, the highest bound for what is over it, and
// NaN where nothing was counted.
func within(now, before *histogram.Snapshot, q float64) float64 {
	count := now.Count - min(now.Count, before.Count)
	if count == 0 {
		return math.NaN()
	}
	want := q * float64(count)
	low, reached := 0.0, 0.0
	for k, bound := range histogram.Bounds {
		upto := float64(now.Upto[k] - min(now.Upto[k], before.Upto[k]))
		if upto >= want && upto > reached {
			return low + (bound.Seconds()-low)*(want-reached)/(upto-reached)
		}
		low, reached = bound.Seconds(), upto
	}
	return low
}
