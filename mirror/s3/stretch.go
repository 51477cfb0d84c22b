package s3

import "math"

const (
	// stretchMost bounds by how much one range changes the stretch, and stretchFar the
	// stretch itself.
	stretchMost, stretchFar = 16.0, 1 << 30
	// stretchBy is the weight of one range among those before.
	stretchBy = 0.25
)

// stretchLocked learns from a page of a range how many pages there were of those that were
// expected. Keys are spread unevenly: where file numbers go on from folder to folder,
// say, most of what a folder could have is empty.
func (w *walk) stretchLocked(r *keyRange, p *page) {
	found := float64(r.found) / float64(max(w.mu.full, 1))
	switch {
	case r.expected == 0 || p.keys == 0: // behind all keys is no measure
	case r.listed:
		off := min(max(r.expected/max(found, 1/stretchMost), 1/stretchMost), stretchMost)
		w.mu.stretch = min(max(w.mu.stretch*math.Pow(off, stretchBy), 1.0/stretchFar), stretchFar)
	case found > 2*r.expected+2:
		r.slack = max(r.slack/2, 1.0/stretchFar)
	}
}
