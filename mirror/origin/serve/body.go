package serve

import (
	"encoding/binary"
	"io"
	"slices"
)

// A body is a function of the index and the offset, so that any part of it can
// be made alone: random bytes are SplitMix64 started at the file's key, text is
// lines that say the file's index and their own number, and the version of a file
// that an edition has changed.

// lineSize is the length of a line of a compressible body.
const lineSize = 64

// lineText is one line; zeroes at lineIndex and lineNumber are overwritten.
const (
	lineText   = "file 000000000000 line 000000000000 of a body that packs well. \n"
	lineIndex  = len("file ")
	lineNumber = len("file 000000000000 line ")
	// changedText overwrites a line of a changed file from changedAt on, and the
	// zeroes at lineVersion are overwritten in turn.
	changedAt   = len("file 000000000000 line 000000000000 ")
	changedText = "of version 0000000000000000\n"
	lineVersion = changedAt + len("of version ")
)

// firstKey is different for each index.
func (s *Synthetic) firstKey(i int64) uint64 { return mix(uint64(i) + s.o.Seed*golden) }

// key is different for each index and version, and starts the file's random bytes.
func (s *Synthetic) key(i int64) uint64 {
	key := s.firstKey(i)
	if s.Changed(i) {
		key = s.edition.version(key)
	}
	return key
}

// Size is the length of file i in bytes.
func (s *Synthetic) Size(i int64) int64 {
	size := s.firstSize(i)
	if s.Changed(i) {
		size = s.edition.size(size, s.key(i))
	}
	return size
}

// firstSize is how long file i was made.
func (s *Synthetic) firstSize(i int64) int64 {
	if s.o.LargeEvery > 0 && (i+1)%s.o.LargeEvery == 0 {
		return s.o.LargeSize
	}
	if s.o.VarySize {
		return int64(mix(s.firstKey(i)^golden) % uint64(2*s.o.BodySize+1))
	}
	return s.o.BodySize
}

// Body returns the content of file i.
func (s *Synthetic) Body(i int64) []byte { return s.AppendBody(nil, i) }

// AppendBody appends the content of file i to dst.
func (s *Synthetic) AppendBody(dst []byte, i int64) []byte {
	at, size := len(dst), int(s.Size(i))
	dst = slices.Grow(dst, size)[:at+size]
	s.fill(dst[at:], i, 0)
	return dst
}

// Reader returns the content of file i without making it in memory.
func (s *Synthetic) Reader(i int64) *io.SectionReader {
	return io.NewSectionReader(syntheticBody{s, i}, 0, s.Size(i))
}

// syntheticBody is the endless body of which a file is the beginning.
type syntheticBody struct {
	s *Synthetic
	i int64
}

// ReadAt fills p with the body at off.
func (b syntheticBody) ReadAt(p []byte, off int64) (int, error) {
	b.s.fill(p, b.i, off)
	return len(p), nil
}

// fill writes the part of body i at off into p.
func (s *Synthetic) fill(p []byte, i, off int64) {
	if s.o.Compressible {
		version := uint64(0)
		if s.Changed(i) {
			version = s.key(i)
		}
		fillText(p, i, version, off)
		return
	}
	fillRandom(p, s.key(i), off)
}

// fillRandom writes the random bytes of a key at off. The race detector would look at each,
// which takes several times as long.
//
//go:norace
func fillRandom(p []byte, key uint64, off int64) {
	x := key + uint64(off/8)*golden
	if skip := off % 8; skip != 0 && len(p) > 0 {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], mix(x))
		p = p[copy(p, word[skip:]):]
		x += golden
	}
	for ; len(p) >= 8; p = p[8:] {
		binary.LittleEndian.PutUint64(p, mix(x))
		x += golden
	}
	if len(p) > 0 {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], mix(x))
		copy(p, word[:])
	}
}

// fillText writes the text of a version of file i at off; version 0 is the first. It is
// without the race detector, as fillRandom is.
//
//go:norace
func fillText(p []byte, i int64, version uint64, off int64) {
	var line [lineSize]byte
	copy(line[:], lineText)
	appendPadded(line[:lineIndex], i, fileDigits)
	if version != 0 {
		copy(line[changedAt:], changedText)
		for at := lineVersion + 16; version != 0; version >>= 4 {
			at--
			line[at] = hexDigits[version&0xf]
		}
	}
	for len(p) > 0 {
		appendPadded(line[:lineNumber], off/lineSize%1_000_000_000_000, fileDigits)
		n := copy(p, line[off%lineSize:])
		p, off = p[n:], off+int64(n)
	}
}
