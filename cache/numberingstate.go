package cache

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// numberingState is what a Numbering has to know of the names before.
type numberingState struct {
	made      int64 // when the mirror was, in seconds since 1970
	next      Inode // the lowest number that was not given out
	unordered bool
	begun     bool // there was a name
	last      string
	// dirs are the directories that last begins with the name of, in the order of their ends,
	// and files the lengths of the files that last begins with and that may yet turn out to
	// have a directory's name: what comes next is not higher than their name and a slash.
	dirs  []openDir
	files []int
}

// openDir is a directory of which more names may come.
type openDir struct {
	end    int // how much of the name leads to it, with the slash behind it
	parent int // its directory's place in dirs, -1: the root
	name   string
	ino    Inode
	// level: it holds longer parts of a component, and has no slash of its own.
	level bool
	// skip: no path can stand for it, so it has no number.
	skip  bool
	group int32 // its place in Numbering.groups, -1: not yet
}

// openAgain forgets the places of the segment that has ended.
func (s *numberingState) openAgain() {
	for k := range s.dirs {
		s.dirs[k].group = -1
	}
}

// moveTo has name be the last, and closes what it does not stand in.
func (s *numberingState) moveTo(name string) {
	shared := sharedPrefix(s.last, name)
	for k := len(s.dirs); k > 0 && s.dirs[k-1].end > shared; k-- {
		s.dirs = s.dirs[:k-1]
	}
	for k := len(s.files); k > 0; k-- {
		// A name that goes on with more than a slash is behind all that has one there.
		if end := s.files[k-1]; end <= shared && end < len(name) && name[end] <= '/' {
			break
		}
		s.files = s.files[:k-1]
	}
	// What is longer is left out, so that no more is to be known of it.
	s.last, s.begun = name[:min(len(name), MaxName+1)], true
}

// dir is the place of the last directory that is a whole one, -1 for the root.
func (s *numberingState) dir() int {
	for k := len(s.dirs) - 1; k >= 0; k-- {
		if !s.dirs[k].level {
			return k
		}
	}
	return -1
}

// isFile reports whether the first end bytes of the last name are the name of a file.
func (s *numberingState) isFile(end int) bool {
	for k := len(s.files) - 1; k >= 0 && s.files[k] >= end; k-- {
		if s.files[k] == end {
			return true
		}
	}
	return false
}

const (
	numberingVersion = 1

	numberingUnordered = 1 << 0
	numberingBegun     = 1 << 1

	openLevel = 1 << 0
	openSkip  = 1 << 1
)

// encode encodes a state:
//
//	byte     numberingVersion, flags
//	uvarint  made (zigzag), next, length of last; last
//	uvarint  number of dirs; each: end, parent + 1, flags, number, length of name; name
//	uvarint  number of files; each: length
func (s *numberingState) encode() []byte {
	flags := byte(0)
	if s.unordered {
		flags |= numberingUnordered
	}
	if s.begun {
		flags |= numberingBegun
	}
	b := []byte{numberingVersion, flags}
	b = binary.AppendUvarint(b, zigzag(s.made))
	b = binary.AppendUvarint(b, uint64(s.next))
	b = binary.AppendUvarint(b, uint64(len(s.last)))
	b = append(b, s.last...)
	b = binary.AppendUvarint(b, uint64(len(s.dirs)))
	for k := range s.dirs {
		d, flags := &s.dirs[k], uint64(0)
		if d.level {
			flags |= openLevel
		}
		if d.skip {
			flags |= openSkip
		}
		for _, v := range []uint64{uint64(d.end), uint64(d.parent + 1), flags, uint64(d.ino), uint64(len(d.name))} {
			b = binary.AppendUvarint(b, v)
		}
		b = append(b, d.name...)
	}
	b = binary.AppendUvarint(b, uint64(len(s.files)))
	for _, end := range s.files {
		b = binary.AppendUvarint(b, uint64(end))
	}
	return b
}

// decodeNumberingState decodes a state. Its error is ErrCorrupt.
func decodeNumberingState(b []byte) (s numberingState, err error) {
	bad := fmt.Errorf("%w: the state of a numbering does not decode", ErrCorrupt)
	d := decoder{rest: b}
	if d.byte() != numberingVersion {
		return s, bad
	}
	flags := d.byte()
	s.unordered, s.begun = flags&numberingUnordered != 0, flags&numberingBegun != 0
	s.made, s.next = unzigzag(d.uvarint()), Inode(d.uvarint())
	s.last = string(d.bytes(d.uvarint()))
	n := d.uvarint()
	if d.bad || s.next < FirstInode || n > uint64(len(d.rest)) {
		return s, bad
	}
	before := 0
	for range n {
		end, parent, flags := d.uvarint(), d.uvarint(), d.uvarint()
		dir := openDir{level: flags&openLevel != 0, skip: flags&openSkip != 0, ino: Inode(d.uvarint()), group: -1}
		dir.name = string(d.bytes(d.uvarint()))
		whole := !d.bad && end > uint64(before) && end <= uint64(len(s.last)) && parent <= uint64(len(s.dirs)) &&
			(dir.skip || dir.ino >= FirstInode && dir.ino < s.next && componentOK(dir.name))
		if !whole {
			return s, bad
		}
		dir.end, dir.parent = int(end), int(parent)-1
		before = dir.end
		s.dirs = append(s.dirs, dir)
	}
	n = d.uvarint()
	if d.bad || n > uint64(len(d.rest)) {
		return s, bad
	}
	before = -1
	for range n {
		end := d.uvarint()
		if d.bad || end > uint64(len(s.last)) || int(end) <= before {
			return s, bad
		}
		before = int(end)
		s.files = append(s.files, before)
	}
	if len(d.rest) > 0 || d.bad || flags > numberingUnordered|numberingBegun {
		return s, bad
	}
	return s, nil
}

// componentOK reports whether a name can be that of a directory's entry.
func componentOK(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= MaxComponent && !strings.ContainsAny(name, "/\x00")
}
