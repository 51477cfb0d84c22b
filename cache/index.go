package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2"
)

// runIndex is the value of an i key: the directory of the run that begins there and,
// where it is not a run of the listing's files, a mark that says so:
//
//	uvarint  the directory
//	byte     markDirs or markAsked, left out for 0
//
// A repair, and programs of before 2026-11-29, leave the mark out of all; see conflicts.
type runIndex struct {
	parent Inode
	mark   byte
}

const (
	markDirs  = 1 // the names are those of directories
	markAsked = 2 // the name was asked for by a reader before it was listed
)

func newRunIndex(parent Inode, kind Kind) runIndex {
	if kind == Dir {
		return runIndex{parent, markDirs}
	}
	return runIndex{parent: parent}
}

func appendRunIndex(dst []byte, index runIndex) []byte {
	dst = binary.AppendUvarint(dst, uint64(index.parent))
	if index.mark != 0 {
		dst = append(dst, index.mark)
	}
	return dst
}

func decodeRunIndex(value []byte) (runIndex, error) {
	d := decoder{rest: value}
	index := runIndex{parent: Inode(d.uvarint())}
	if len(d.rest) > 0 {
		index.mark = d.byte()
	}
	if d.bad || len(d.rest) > 0 || index.mark > markAsked {
		return runIndex{}, fmt.Errorf("%w: index of a run of %d bytes does not decode", ErrCorrupt, len(value))
	}
	return index, nil
}

// eachRun goes over the runs that have numbers from from on and begin below limit, in their
// order; the first may begin before. For what cannot be read it gives an error, and goes on
// behind that if it is told to. A run that goes meanwhile is left out.
func (s *Store) eachRun(from, limit Inode) iter.Seq2[*cachedRun, error] {
	return func(yield func(*cachedRun, error) bool) {
		it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: appendRunIndexKey(nil, 0), UpperBound: appendRunIndexKey(nil, limit)})
		if err != nil {
			yield(nil, storeError("read runs", err))
			return
		}
		defer it.Close() //nolint:errcheck // says again what Error says
		valid := it.SeekLT(appendRunIndexKey(nil, from+1))
		if !valid {
			valid = it.First()
		}
		for ; valid; valid = it.Next() {
			r, err := s.runAt(it)
			if (r != nil || err != nil) && !yield(r, err) {
				return
			}
		}
		if err := it.Error(); err != nil {
			yield(nil, storeError("read runs", err))
		}
	}
}

// runAt loads the run on whose index an iterator stands; nil where it has gone since.
func (s *Store) runAt(it *pebble.Iterator) (*cachedRun, error) {
	first, _ := splitInodeKey(it.Key())
	value, err := it.ValueAndErr()
	if err != nil {
		return nil, storeError("read runs", err)
	}
	index, err := decodeRunIndex(value)
	if err != nil {
		return nil, err
	}
	r, err := s.loadRun(index.parent, first)
	if err != nil {
		if _, gone := s.getString(appendRunIndexKey(nil, first)); errors.Is(gone, ErrNotFound) {
			return nil, nil
		}
	}
	return r, err
}
