package serve

import (
	"encoding/binary"
	"io"
	"slices"
)

// A body is a function of the index and the offset, so that any part of it can
// be made alone: random bytes are SplitMix64 started at the file's key, text is
// lines that say the file's index and their own number.

// lineSize is the length of a line of a compressible body.
const lineSize = 64

// lineText is one line; zeroes at lineIndex and lineNumber are overwritten.
const (
	lineText   = "file 000000000000 line 000000000000 of a body that packs well. \n"
	lineIndex  = len("file ")
	lineNumber = len("file 000000000000 line ")
)

// key is different for each index, and starts the file's random bytes.
func (s *Synthetic) key(i int64) uint64 { return mix(uint64(i) + s.o.Seed*golden) }

// Size is the length of file i in bytes.
func (s *Synthetic) Size(i int64) int64 {
	if s.o.LargeEvery > 0 && (i+1)%s.o.LargeEvery == 0 {
		return s.o.LargeSize
	}
	if s.o.VarySize {
		return int64(mix(s.key(i)^golden) % uint64(2*s.o.BodySize+1))
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
		fillText(p, i, off)
		return
	}
	fillRandom(p, s.key(i), off)
}

// fillRandom writes the random bytes of a key at off.
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

// fillText writes the text of file i at off.
func fillText(p []byte, i, off int64) {
	var line [lineSize]byte
	copy(line[:], lineText)
	appendPadded(line[:lineIndex], i, fileDigits)
	for len(p) > 0 {
		appendPadded(line[:lineNumber], off/lineSize%1_000_000_000_000, fileDigits)
		n := copy(p, line[off%lineSize:])
		p, off = p[n:], off+int64(n)
	}
}
