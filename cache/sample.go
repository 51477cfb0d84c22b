package cache

import (
	"errors"
	"math"
)

// sampleScan is how many names Sample looks at.
const sampleScan = 16 << 10

// Sample returns the origin's names of up to n files that are not gone, with
// numbers from about from on, as far as a short look finds them; here: only of those
// whose content is here.
func (s *Store) Sample(from Inode, n int, here bool) (names []string, err error) {
	scanned := 0
	for r, err := range s.eachRun(from, math.MaxUint64) {
		if err != nil || scanned >= sampleScan || len(names) >= n {
			return names, err
		}
		if r.kind == Dir {
			continue
		}
		scanned += r.n
		skip := 0
		if from > r.first {
			skip = int(min(from-r.first, Inode(r.n-1)))
		}
		if names, err = s.sampleRun(names, r, skip, n, here); err != nil {
			return names, err
		}
	}
	return names, nil
}

func (s *Store) sampleRun(names []string, r *cachedRun, skip, n int, here bool) ([]string, error) {
	var inner error
	err := r.each(skip, func(_ int, name []byte) bool {
		e, err := s.Lookup(r.parent, string(name))
		if err == nil && (e.Here() || !here && e.State == Pending) {
			var origin string
			if origin, err = s.OriginName(r.parent, string(name)); err == nil {
				names = append(names, origin)
			}
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			inner = err
		}
		return inner == nil && len(names) < n
	})
	return names, errors.Join(err, inner)
}
