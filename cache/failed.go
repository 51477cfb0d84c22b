package cache

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Verdict says what is to be thought of a file that could not be fetched.
type Verdict uint8

// The verdicts.
const (
	// MayPass: what went wrong may go right the next time.
	MayPass Verdict = iota
	// NotThere: the origin says that it does not have the file, which may be its
	// fault and not yet true.
	NotThere
	// Final: asking again is of no use before something changes.
	Final
	// Verdicts is their number.
	Verdicts
)

// Failure is the record of a file that could not be fetched.
type Failure struct {
	Name    string // the origin's
	When    int64  // of the last try, in seconds since 1970
	Tries   int
	Verdict Verdict
	Reason  string
}

// maxReason bounds the reason that is kept, in bytes.
const maxReason = 512

func (f *Failure) append(dst []byte) []byte {
	reason := f.Reason[:min(len(f.Reason), maxReason)]
	dst = append(dst, byte(f.Verdict))
	dst = binary.AppendUvarint(dst, zigzag(f.When))
	dst = binary.AppendUvarint(dst, uint64(f.Tries))
	dst = binary.AppendUvarint(dst, uint64(len(f.Name)))
	dst = append(dst, f.Name...)
	return append(dst, reason...)
}

func decodeFailure(value []byte) (Failure, error) {
	d := decoder{rest: value}
	f := Failure{Verdict: Verdict(d.byte())}
	f.When, f.Tries, f.Name = unzigzag(d.uvarint()), int(d.uvarint()), string(d.bytes(d.uvarint()))
	f.Reason = string(d.rest)
	if d.bad || f.Verdict >= Verdicts {
		return Failure{}, fmt.Errorf("%w: record of a failed file does not decode", ErrCorrupt)
	}
	return f, nil
}

func (s *Store) hasFailed(ino Inode) (bool, error) {
	if s.progress.Load().Failed == 0 {
		return false, nil
	}
	return s.hasRecord(ino)
}

func (s *Store) hasRecord(ino Inode) (bool, error) {
	_, closer, err := s.db.Get(appendFailedKey(nil, ino))
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, storeError("read failed files", err)
	}
	return true, closer.Close()
}

// Failures calls fn for the files that could not be fetched, with numbers from
// from on and in their order, until fn returns false.
func (s *Store) Failures(from Inode, fn func(Inode, Failure) bool) error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: appendFailedKey(nil, from), UpperBound: []byte{keyFailed + 1}})
	if err != nil {
		return storeError("read failed files", err)
	}
	err = eachFailure(it, fn)
	return errors.Join(err, storeError("read failed files", it.Error()), it.Close())
}

func eachFailure(it *pebble.Iterator, fn func(Inode, Failure) bool) error {
	for valid := it.First(); valid; valid = it.Next() {
		ino, ok := splitInodeKey(it.Key())
		value, err := it.ValueAndErr()
		if err != nil {
			return storeError("read failed files", err)
		}
		f, err := decodeFailure(value)
		if err == nil && !ok {
			err = fmt.Errorf("%w: key of a failed file does not decode", ErrCorrupt)
		}
		if err != nil {
			return err
		}
		if !fn(ino, f) {
			return nil
		}
	}
	return nil
}

// Failed returns a page of at most that many files that could not be fetched before, with numbers
// from from on, and the number from which to go on. The page is nil at the end.
func (s *Store) Failed(from Inode, most int) (page *Page, next Inode, err error) {
	page = &Page{s: s, lazy: true}
	var inner error
	err = s.Failures(from, func(ino Inode, f Failure) bool {
		next = ino + 1
		parent, name, err := s.locate(ino)
		if err != nil {
			inner = fmt.Errorf("%w: record of the failed file %q names inode %d: %w", ErrCorrupt, f.Name, ino, err)
			return false
		}
		page.slots = append(page.slots, slot{origin: f.Name, name: name, parent: parent, inode: ino, size: -1, hadFailed: true, failure: &f})
		return len(page.slots) < most
	})
	if err = errors.Join(err, inner); err != nil {
		return nil, 0, err
	}
	if len(page.slots) == 0 {
		return nil, next, nil
	}
	return page, next, nil
}
