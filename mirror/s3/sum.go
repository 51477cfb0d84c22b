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
	field string
	size  int
	wire.Algorithm
}

// checksums are those, the one first that is looked at where there are several: those that
// cost little, the longer before the shorter.
var checksums = []checksum{
	{"x-amz-checksum-crc64nvme", crc64nvme.Size, wire.Algorithm{Name: "CRC-64/NVME", New: func() hash.Hash { return crc64nvme.New() }}},
	{"x-amz-checksum-crc32c", crc32.Size, wire.Algorithm{Name: "CRC-32C", New: func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) }}},
	{"x-amz-checksum-crc32", crc32.Size, wire.Algorithm{Name: "CRC-32", New: func() hash.Hash { return crc32.NewIEEE() }}},
	{"x-amz-checksum-sha256", sha256.Size, wire.Algorithm{Name: "SHA-256", New: sha256.New}},
	{"x-amz-checksum-sha1", sha1.Size, wire.Algorithm{Name: "SHA-1", New: sha1.New}},
}

const (
	// sumMode is what a get says to be told the object's sum. The SDKs of AWS say so too,
	// so servers know it, or ignore it.
	sumMode    = "x-amz-checksum-mode"
	sumsWanted = "ENABLED"
	sumType    = "x-amz-checksum-type"
)

var composite = []byte("COMPOSITE")

// sumOf is wire.Options.Sum. An object that came in parts may have only a sum of its
// parts' sums, which says nothing of the whole: "-" and their number stand behind it, or
// its type says so. Whatever else is not base64 of the right length is no sum either.
func sumOf(dst []byte, fields *wire.Fields) ([]byte, *wire.Algorithm) {
	for k := range checksums {
		c := &checksums[k]
		said := fields.Get(c.field)
		if said == nil {
			continue
		}
		sum, err := base64.StdEncoding.AppendDecode(dst, said)
		if err != nil || len(sum)-len(dst) != c.size || bytes.EqualFold(fields.Get(sumType), composite) {
			return dst, nil
		}
		return sum, &c.Algorithm
	}
	return dst, nil
}
