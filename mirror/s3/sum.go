package s3

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // of those that S3 has; it is no signature
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"hash/crc32"

	"github.com/motefs/motefs/mirror/s3/crc64nvme"
	"github.com/motefs/motefs/mirror/wire"
)

// checksum is one of the sums that S3 has of an object, in a field of its own.
type checksum struct {
	field string // its name behind sumPrefix and sumSought
	size  int
	wire.Algorithm
}

// checksums are those, the one first that is looked at where there are several: those that
// cost little, the longer before the shorter.
var checksums = []checksum{
	{"crc64nvme", crc64nvme.Size, wire.Algorithm{Name: "CRC-64/NVME", New: func() hash.Hash { return crc64nvme.New() }}},
	{"crc32c", crc32.Size, wire.Algorithm{Name: "CRC-32C", New: func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) }}},
	{"crc32", crc32.Size, wire.Algorithm{Name: "CRC-32", New: func() hash.Hash { return crc32.NewIEEE() }}},
	{"sha256", sha256.Size, wire.Algorithm{Name: "SHA-256", New: sha256.New}},
	{"sha1", sha1.Size, wire.Algorithm{Name: "SHA-1", New: sha1.New}},
}

const (
	// sumMode is what a get says to be told the object's sum. The SDKs of AWS say so too,
	// so servers know it, or ignore it.
	sumMode    = "x-amz-checksum-mode"
	sumsWanted = "ENABLED"

	sumPrefix = "x-amz-c" // and sumSought
	sumType   = "type"
	composite = "composite"
)

// sumSought is what heads are searched for: what names have behind sumPrefix, the same
// whether words begin with capitals or not. A server that shouts is not heard.
var sumSought = []byte("hecksum-")

// sumOf is wire.Options.Sum. An object that came in parts may have only a sum of its
// parts' sums, which says nothing of the whole: "-" and their number stand behind it, or
// its type says so. Whatever else is not base64 of the right length is no sum either.
func sumOf(dst, head []byte) ([]byte, *wire.Algorithm) {
	best, said := len(checksums), []byte(nil)
	for {
		i := bytes.Index(head, sumSought)
		if i < 0 {
			break
		}
		at := i - len(sumPrefix)
		isField := at > 0 && head[at-1] == '\n' && hasPrefix(head[at:], sumPrefix)
		head = head[i+len(sumSought):]
		colon := bytes.IndexByte(head, ':')
		if !isField || colon < 0 {
			continue
		}
		name, value := head[:colon], head[colon+1:]
		if end := bytes.IndexByte(value, '\r'); end >= 0 {
			value = value[:end]
		}
		for len(value) > 0 && value[0] == ' ' {
			value = value[1:]
		}
		if same(name, sumType) && same(value, composite) {
			return dst, nil
		}
		for k := range best {
			if same(name, checksums[k].field) {
				best, said = k, value
				break
			}
		}
	}
	if best == len(checksums) {
		return dst, nil
	}
	c := &checksums[best]
	sum, err := base64.StdEncoding.AppendDecode(dst, said)
	if err != nil || len(sum)-len(dst) != c.size {
		return dst, nil
	}
	return sum, &c.Algorithm
}

// same reports whether text is lower but for its case.
func same(text []byte, lower string) bool { return len(text) == len(lower) && hasPrefix(text, lower) }

// hasPrefix reports whether text, which is not shorter, begins with lower but for its case.
func hasPrefix(text []byte, lower string) bool {
	for i := range len(lower) {
		c := text[i]
		if c-'A' < 26 {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
