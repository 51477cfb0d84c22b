package cache

import (
	"fmt"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// runEdits are changes to names in runs that are written: by the number, the name that
// it gets, "" where it gets none.
type runEdits struct {
	names map[Inode]string
	runs  []Inode // the first numbers of those that were rewritten
}

func (r *runEdits) set(ino Inode, name string) {
	if r.names == nil {
		r.names = map[Inode]string{}
	}
	r.names[ino] = name
}

// write puts the changed runs into a batch. A run without a name goes.
func (r *runEdits) write(s *Store, batch *pebble.Batch) error {
	inodes := slices.Sorted(maps.Keys(r.names))
	for len(inodes) > 0 {
		found, err := s.runOf(inodes[0])
		var run *cachedRun
		if err == nil {
			// Read anew: a reader that began before the last edit may have put the
			// run as it was into the cache after it.
			run, err = s.loadRun(found.parent, found.first)
		}
		if err != nil {
			return err
		}
		if inodes[0] >= run.first+Inode(run.n) {
			return fmt.Errorf("%w: inode %d is in no run", ErrCorrupt, inodes[0])
		}
		names, err := run.names()
		if err != nil {
			return err
		}
		for len(inodes) > 0 && inodes[0] < run.first+Inode(run.n) {
			names[inodes[0]-run.first] = r.names[inodes[0]]
			inodes = inodes[1:]
		}
		r.runs = append(r.runs, run.first)
		if err := rewriteRun(batch, run, names); err != nil {
			return err
		}
	}
	return nil
}

func rewriteRun(batch *pebble.Batch, run *cachedRun, names []string) error {
	if !slices.ContainsFunc(names, func(name string) bool { return name != "" }) {
		if err := batch.Delete(appendRunKey(nil, run.parent, run.first), nil); err != nil {
			return err
		}
		return batch.Delete(appendRunIndexKey(nil, run.first), nil)
	}
	return writeRun(batch, run.parent, run.first, run.kind, run.n, func(k int) (string, bool) { return names[k], names[k] != "" })
}

// forget drops the runs that were rewritten from the cache.
func (r *runEdits) forget(s *Store) {
	for _, first := range r.runs {
		s.runs.remove(first)
	}
}
