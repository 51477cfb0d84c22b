package cache

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// sampleScan is how many names Sample looks at.
const sampleScan = 16 << 10

// Sample returns the origin's names of up to n files that are not gone, with
// numbers from about from on, as far as a short look finds them; here: only of those
// whose content is here.
func (s *Store) Sample(from Inode, n int, here bool) (names []string, err error) {
	runs, err := s.db.NewIter(&pebble.IterOptions{LowerBound: appendRunIndexKey(nil, 0), UpperBound: []byte{keyRunIndex + 1}})
	if err != nil {
		return nil, storeError("sample files", err)
	}
	valid := runs.SeekLT(appendRunIndexKey(nil, from+1))
	if !valid {
		valid = runs.First()
	}
	for scanned := 0; valid && scanned < sampleScan && len(names) < n && err == nil; valid = runs.Next() {
		first, _ := splitInodeKey(runs.Key())
		var value []byte
		if value, err = runs.ValueAndErr(); err != nil {
			break
		}
		var index runIndex
		if index, err = decodeRunIndex(value); err != nil {
			break
		}
		var r *cachedRun
		if r, err = s.loadRun(index.parent, first); err == nil && r.kind == File {
			scanned += r.n
			skip := 0
			if from > first {
				skip = int(min(from-first, Inode(r.n-1)))
			}
			names, err = s.sampleRun(names, r, skip, n, here)
		}
	}
	return names, errors.Join(storeError("sample files", err), storeError("sample files", runs.Error()), runs.Close())
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
