package cache

import (
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// The first byte of an entry's value.
const (
	entryStateMask  = 0b0000_0011
	entryDir        = 0b0000_0100
	entryHasModTime = 0b0000_1000
	entryHasETag    = 0b0001_0000
	entryHasFetched = 0b0010_0000
	entryHasSize    = 0b0100_0000
	entryUnused     = 0b1000_0000
)

// maxETag is the longest validator that is kept, in bytes; a longer one is
// dropped, since a validator is only ever compared.
const maxETag = 1 << 10

// entryHeadLen returns the length of what appendEntryHead will append.
func entryHeadLen(e *Entry) int {
	n := 1 + uvarintLen(uint64(e.Inode))
	if e.Fetched != 0 {
		n += uvarintLen(zigzag(e.Fetched))
	}
	if e.ModTime != 0 {
		n += uvarintLen(zigzag(e.ModTime))
	}
	if e.ETag != "" {
		n += uvarintLen(uint64(len(e.ETag))) + len(e.ETag)
	}
	if e.State == Blob {
		n += uvarintLen(uint64(e.Size)) + uvarintLen(e.blob) + 8
	} else if e.State == Pending && e.Size >= 0 {
		n += uvarintLen(uint64(e.Size))
	}
	return n
}

// appendEntryHead appends an entry's value but for an inline content, which
// follows it to the end of the value.
func appendEntryHead(dst []byte, e *Entry) []byte {
	at := len(dst)
	dst = append(dst, byte(e.State))
	if e.Kind == Dir {
		dst[at] |= entryDir
	}
	dst = binary.AppendUvarint(dst, uint64(e.Inode))
	if e.Fetched != 0 {
		dst[at] |= entryHasFetched
		dst = binary.AppendUvarint(dst, zigzag(e.Fetched))
	}
	if e.ModTime != 0 {
		dst[at] |= entryHasModTime
		dst = binary.AppendUvarint(dst, zigzag(e.ModTime))
	}
	if e.ETag != "" {
		dst[at] |= entryHasETag
		dst = binary.AppendUvarint(dst, uint64(len(e.ETag)))
		dst = append(dst, e.ETag...)
	}
	if e.State == Blob {
		dst = binary.AppendUvarint(dst, uint64(e.Size))
		dst = binary.AppendUvarint(dst, e.blob)
		dst = binary.LittleEndian.AppendUint64(dst, e.sum)
	} else if e.State == Pending && e.Size >= 0 {
		dst[at] |= entryHasSize
		dst = binary.AppendUvarint(dst, uint64(e.Size))
	}
	return dst
}

// contentSum is a sum of the content of a file that is here.
func (e *Entry) contentSum() uint64 {
	if e.State == Blob {
		return e.sum
	}
	return contentSum(e.Content)
}

// contentSum is what a short content is compared by where it is asked for again.
func contentSum(content []byte) uint64 { return xxhash.Sum64(content) }

// decodeEntry reads an entry's value. Content shares its memory; the rest does
// not. The error is ErrCorrupt.
func decodeEntry(value []byte) (Entry, error) {
	d := decoder{rest: value}
	flags := d.byte()
	e := Entry{State: State(flags & entryStateMask), Size: -1}
	if flags&entryDir != 0 {
		e.Kind = Dir
	}
	e.Inode = Inode(d.uvarint())
	if flags&entryHasFetched != 0 {
		e.Fetched = unzigzag(d.uvarint())
	}
	if flags&entryHasModTime != 0 {
		e.ModTime = unzigzag(d.uvarint())
	}
	if flags&entryHasETag != 0 {
		e.ETag = string(d.bytes(d.uvarint()))
	}
	switch {
	case e.State == Inline && e.Kind == File:
		e.Content = d.rest
		e.Size = int64(len(e.Content))
		d.rest = nil
	case e.State == Blob:
		e.Size = int64(d.uvarint())
		e.blob = d.uvarint()
		e.sum = d.uint64()
	case e.State == Pending && flags&entryHasSize != 0:
		e.Size = int64(d.uvarint())
		d.bad = d.bad || e.Size < 0
	}
	if d.bad || len(d.rest) != 0 || flags&entryUnused != 0 || (e.State == Blob && e.Size < 0) {
		return Entry{}, fmt.Errorf("%w: entry of %d bytes does not decode", ErrCorrupt, len(value))
	}
	return e, nil
}

// decoder reads values front to back; bad is set once something is missing,
// and from then on it returns zeros.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) byte() byte {
	b := d.bytes(1)
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

func (d *decoder) bytes(n uint64) []byte {
	if d.bad || n > uint64(len(d.rest)) {
		d.bad = true
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if d.bad || n <= 0 {
		d.bad = true
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) uint64() uint64 {
	b := d.bytes(8)
	if b == nil {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

func zigzag(v int64) uint64   { return uint64(v)<<1 ^ uint64(v>>63) }
func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

func uvarintLen(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}
