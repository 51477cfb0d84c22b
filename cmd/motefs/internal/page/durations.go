package page

import "math"

// since is the time, in seconds, within which the part q of all durations ended that were
// counted since before: linear within a bucket, the highest bound for what is over it,
// and NaN where nothing was counted.
func (d *Durations) since(before *Durations, q float64) float64 {
	was := func(k int) uint64 {
		if k < len(before.Upto) {
			return before.Upto[k]
		}
		return 0
	}
	count := d.Count - min(d.Count, before.Count)
	if count == 0 || len(d.Bounds) == 0 || len(d.Upto) != len(d.Bounds) {
		return math.NaN()
	}
	want := q * float64(count)
	low, reached := 0.0, 0.0
	for k, bound := range d.Bounds {
		upto := float64(d.Upto[k] - min(d.Upto[k], was(k)))
		if upto >= want && upto > reached {
			return low + (bound.Seconds()-low)*(want-reached)/(upto-reached)
		}
		low, reached = bound.Seconds(), upto
	}
	return low
}
