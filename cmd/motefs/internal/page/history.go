package page

import (
	"math"
	"strconv"
	"sync"
)

// historyBytes bounds what the history takes of memory. With a sample a second it is an
// hour.
const historyBytes = historySamples * fields * 8

// historySamples is how many samples are kept.
const historySamples = 3600

// history is a ring of samples, which have numbers from 1 on.
type history struct {
	mu struct {
		sync.Mutex
		ring []sample // grows up to historySamples
		next uint64   // number of the next one
	}
}

func newHistory() *history {
	h := &history{}
	h.mu.next = 1
	return h
}

// add keeps a sample in the place of the oldest, and returns its number.
func (h *history) add(s sample) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.mu.next
	if len(h.mu.ring) < historySamples {
		h.mu.ring = append(h.mu.ring, s)
	} else {
		h.mu.ring[(n-1)%historySamples] = s
	}
	h.mu.next++
	return n
}

// after returns the samples after number n that are kept, and the number of the last one,
// 0 where there was none at all.
func (h *history) after(n uint64) (rows []sample, last uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	last = h.mu.next - 1
	first := max(n, last-uint64(len(h.mu.ring))) // the number before the first one
	if first >= last {
		return nil, last
	}
	rows = make([]sample, 0, last-first)
	for k := first; k < last; k++ {
		rows = append(rows, h.mu.ring[k%historySamples])
	}
	return rows, last
}

// MarshalJSON writes a row; what is not known is null.
func (s sample) MarshalJSON() ([]byte, error) {
	text := []byte{'['}
	for k, v := range s {
		if k > 0 {
			text = append(text, ',')
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			text = append(text, "null"...)
		} else {
			text = strconv.AppendFloat(text, v, 'f', -1, 64)
		}
	}
	return append(text, ']'), nil
}
