// Package crc64nvme is the CRC of 64 bits that S3 sums up objects with by default, of the
// NVM Express NVM Command Set Specification, section 5.2.1.3.4.
//
// The standard library's hash/crc64 takes any polynomial, but only a byte at a time where
// that is not one of its own two and the text is short: 100 bytes take three times as
// long. Here it is eight bytes at a time, whatever the length.
package crc64nvme

import (
	"encoding/binary"
	"hash"
	"hash/crc64"
	"sync"
)

// Size is the length of a sum in bytes.
const Size = 8

// polynomial is 0xad93d23594c93659 with its bits reversed, as hash/crc64 has them.
const polynomial = 0x9a6c9329ac4bc9b5

// tables()[k][b] is what byte b, with k others behind it, does to the sum. They are made when the
// first sum is, as most runs of a program need none.
var tables = sync.OnceValue(func() *[8]crc64.Table {
	t := &[8]crc64.Table{*crc64.MakeTable(polynomial)}
	for b := range t[0] {
		sum := t[0][b]
		for k := 1; k < len(t); k++ {
			sum = t[0][byte(sum)] ^ sum>>8
			t[k][b] = sum
		}
	}
	return t
})

// Checksum is the sum of a text.
func Checksum(text []byte) uint64 { return Update(0, text) }

// Update is the sum of a text of which the beginning has that sum, and the rest is more. As
// with the standard library's sums, which are in assembly, the race detector does not see it
// read: it would look at each byte, and make tests of long files take several times as long.
//
//go:norace
func Update(sum uint64, more []byte) uint64 {
	sum = ^sum
	t := tables()
	for ; len(more) >= 8; more = more[8:] {
		sum ^= binary.LittleEndian.Uint64(more)
		sum = t[7][byte(sum)] ^ t[6][byte(sum>>8)] ^ t[5][byte(sum>>16)] ^ t[4][byte(sum>>24)] ^
			t[3][byte(sum>>32)] ^ t[2][byte(sum>>40)] ^ t[1][byte(sum>>48)] ^ t[0][sum>>56]
	}
	for _, b := range more {
		sum = t[0][byte(sum)^b] ^ sum>>8
	}
	return ^sum
}

// digest is a sum in the making.
type digest uint64

// New returns a hash.Hash64 of Size bytes, most significant byte first.
func New() hash.Hash64 { return new(digest) }

func (d *digest) Write(p []byte) (int, error) {
	*d = digest(Update(uint64(*d), p))
	return len(p), nil
}

func (d *digest) Sum(dst []byte) []byte { return binary.BigEndian.AppendUint64(dst, uint64(*d)) }
func (d *digest) Sum64() uint64         { return uint64(*d) }
func (d *digest) Reset()                { *d = 0 }
func (d *digest) Size() int             { return Size }
func (d *digest) BlockSize() int        { return 8 }
