package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// conflicts knows, in a filter of conflictBytes, which names may be in the store though
// the listing has not come to them: those of directories, those that readers asked for,
// and those that the listing named before (see listedOnce). Names of an unsorted page
// are looked up only where it has them, so that a listing out of order costs no look-up
// for each name.
//
// The filter is not stored. In a store that had such names when it was opened it is
// loaded from the index of runs, once a listing out of order needs it: a goroutine goes
// over the index, 20 bytes for each run, and reads the runs that the index marks. Until it
// has come to the end, and in a store whose index does not mark as many as the progress
// counts (one of an older program, or one that was repaired), every name is looked up.
type conflicts struct {
	mu struct {
		sync.RWMutex
		state  conflictState
		filter nameFilter
		// lost: names came while others were being added.
		lost bool
	}
	// loaded is closed once a load that was begun has ended.
	loaded chan struct{}
}

type conflictState uint8

const (
	conflictsUnread  conflictState = iota // the store has names that are not in the filter
	conflictsLoading                      // they are being added
	conflictsKnown                        // all are in the filter
	conflictsLost                         // some cannot be found
)

// conflictLayers are the sizes of the filter's layers. It is made for 5 million names,
// and wrong of 2 % of others then; with 10 million of a sixth, with 30 million of nearly all.
var conflictLayers = []int{256 << 10, 512 << 10, 1 << 20, 2 << 20, conflictBytes - 15<<18}

// conflictBytes bounds the filter, in bytes.
const conflictBytes = 8 << 20

// init is told of the store's progress when it is opened.
func (c *conflicts) init(p *Progress) {
	c.mu.filter.sizes = conflictLayers
	if p.Dirs == 0 && p.Asked == 0 {
		c.mu.state = conflictsKnown
	}
}

// forget is told that names came into the store that were not added.
func (c *conflicts) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.mu.state {
	case conflictsKnown:
		c.mu.state = conflictsUnread
		c.mu.filter = nameFilter{sizes: conflictLayers}
	case conflictsLoading:
		c.mu.lost = true
	}
}

// add adds a name before the commit that brings it into the store.
func (c *conflicts) add(parent Inode, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.state == conflictsKnown || c.mu.state == conflictsLoading {
		c.mu.filter.add(nameHash(parent, name))
	}
}

// mayHave reports whether a name may be in the store that the listing has not come to.
func (c *conflicts) mayHave(parent Inode, name string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.mu.state != conflictsKnown || c.mu.filter.has(nameHash(parent, name))
}

// among returns the slots whose names are to be looked up; all where it does not know.
// A name that was escaped may be so because it gave way, and then another is the
// filter's. One that was found before, when all were looked up, may have changed since.
func (c *conflicts) among(slots []slot) (found []int, all bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.mu.state != conflictsKnown {
		return nil, true
	}
	for k := range slots {
		s := &slots[k]
		if s.known || strings.HasPrefix(s.name, escapePrefix) || c.mu.filter.has(nameHash(s.parent, s.name)) {
			found = append(found, k)
		}
	}
	return found, false
}

// loadConflicts begins to load the filter, where that is needed and was not begun.
func (s *Store) loadConflicts() error {
	c := &s.conflicts
	s.commit.Lock()
	defer s.commit.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.state != conflictsUnread || s.commit.closed {
		return nil
	}
	// What is committed from here on is added by its commit, all before is in it.
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyRunIndex}, UpperBound: []byte{keyRunIndex + 1}})
	if err != nil {
		return storeError("find directories", err)
	}
	c.mu.state, c.loaded = conflictsLoading, make(chan struct{})
	want := s.commit.progress
	s.wg.Go(func() {
		defer close(c.loaded)
		pprof.Do(context.Background(), pprof.Labels("motefs", "store-conflicts"), func(context.Context) {
			state, err := s.readConflicts(it, &want)
			if err != nil && !errors.Is(err, ErrClosed) {
				s.damage.Warn().Err(err).Msg("the names of directories cannot be read together, so every name that is listed is looked up by itself")
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.mu.state = state; c.mu.lost {
				c.mu.state = conflictsLost
			}
		})
	})
	return nil
}

// readConflicts adds the names of the runs that the index marks to the filter.
func (s *Store) readConflicts(it *pebble.Iterator, want *Progress) (state conflictState, err error) {
	defer func() {
		if err = errors.Join(err, it.Close()); err != nil {
			state = conflictsLost
		}
	}()
	var dirs, asked uint64
	n := 0
	for valid := it.First(); valid; valid = it.Next() {
		if n++; n&0xfff == 0 && s.closing.Load() {
			return conflictsLost, ErrClosed
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return conflictsLost, storeError("find directories", err)
		}
		first, ok := splitInodeKey(it.Key())
		index, err := decodeRunIndex(value)
		if err != nil || !ok {
			return conflictsLost, errors.Join(err, ErrCorrupt)
		}
		if index.mark == 0 {
			continue
		}
		names, err := s.addRun(index.parent, first)
		if err != nil {
			return conflictsLost, err
		}
		if index.mark == markDirs {
			dirs += names
		} else {
			asked++
		}
	}
	if err := it.Error(); err != nil {
		return conflictsLost, storeError("find directories", err)
	}
	if dirs != want.Dirs || asked != want.Asked {
		return conflictsLost, nil
	}
	return conflictsKnown, nil
}

// addRun adds the names of one run to the filter and counts them.
func (s *Store) addRun(parent, first Inode) (n uint64, err error) {
	value, closer, err := s.db.Get(appendRunKey(nil, parent, first))
	if err != nil {
		return 0, storeError(fmt.Sprintf("read run %d of directory %d", first, parent), err)
	}
	r, err := decodeRun(value)
	if err == nil {
		s.conflicts.mu.Lock()
		err = r.each(0, func(_ int, name []byte) bool {
			n++
			s.conflicts.mu.filter.add(nameHash(parent, name))
			return true
		})
		s.conflicts.mu.Unlock()
	}
	return n, errors.Join(err, closer.Close())
}
