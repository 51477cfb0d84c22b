package serve

import (
	"bytes"
	"errors"
	"fmt"
)

// errNoValidators refuses files that are told without a time and an ETag.
var errNoValidators = errors.New("the source's files have no validators")

// Keys implements KeyLister. The position is found by the names' own form, so a page
// far into the listing costs what the first one costs.
func (s *Synthetic) Keys(from []byte, add func(*Key) bool) error {
	if err := s.checkKeys(); err != nil {
		return err
	}
	var key Key
	tell := func(i int64) bool {
		key.Name = s.AppendName(key.Name[:0], i)
		key.Size, key.ModTime, key.ETag = s.Size(i), s.ModTime(i), s.appendETag(key.ETag[:0], i)
		return add(&key)
	}
	for at := s.seek(from); at.k < s.o.Files; at = (position{k: at.k + 1}) {
		if !at.behind && !s.Removed(at.k) && !tell(at.k) {
			return nil
		}
		if extra, ok := s.Added(at.k); ok && !tell(extra) {
			return nil
		}
	}
	return nil
}

// checkKeys says why the files cannot be listed by name. Numbers that are longer
// than the others sort before them.
func (s *Synthetic) checkKeys() error {
	const mostFiles, mostDirs = 1_000_000_000_000, 1_000_000
	switch {
	case s.o.Shuffle:
		return fmt.Errorf("%w: it is shuffled", ErrUnordered)
	case s.o.Files > mostFiles:
		return fmt.Errorf("%w: it has more than %d files", ErrUnordered, int64(mostFiles))
	case s.o.FilesPerDir > 0 && (s.o.Files-1)/s.o.FilesPerDir >= mostDirs:
		return fmt.Errorf("%w: it has more than %d directories", ErrUnordered, mostDirs)
	case !s.o.Validators:
		return errNoValidators
	}
	return nil
}

// seek is the position of the first file whose name is from or comes after it, if
// it is there in this edition.
func (s *Synthetic) seek(from []byte) position {
	var buf [64]byte
	lo, hi := int64(0), s.o.Files
	for lo < hi {
		mid := lo + (hi-lo)/2
		if bytes.Compare(s.AppendName(buf[:0], mid), from) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if extra, ok := s.Added(lo - 1); ok && bytes.Compare(s.AppendName(buf[:0], extra), from) >= 0 {
		return position{k: lo - 1, behind: true}
	}
	return position{k: lo}
}
