package serve

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/motefs/motefs/mirror/s3/crc64nvme"
	"github.com/valyala/fasthttp"
)

// maxSummed is the longest content of which a sum is said, in bytes: one that is not in
// memory is read twice for it.
const maxSummed = 64 << 20

const (
	sumMode   = "X-Amz-Checksum-Mode"
	sumHeader = "X-Amz-Checksum-Crc64nvme"
	sumType   = "X-Amz-Checksum-Type"
)

var fullObject = []byte("FULL_OBJECT")

// sum adds the sum of the whole content to the response, where the request asks for it.
// S3 says the one that an object was put with, and by default that is this one.
func (r *Response) sum(h *fasthttp.RequestHeader) error {
	if string(h.Peek(sumMode)) != "ENABLED" || r.obj.size() > maxSummed {
		return nil
	}
	sum := uint64(0)
	if r.obj.At == nil {
		sum = crc64nvme.Checksum(r.obj.Body)
	} else {
		crc := crc64nvme.New()
		switch n, err := io.Copy(crc, io.NewSectionReader(r.obj.At, 0, r.obj.Size)); {
		case err != nil:
			return fmt.Errorf("sum up the object: %w", err)
		case n != r.obj.Size:
			return nil // it has become shorter, and will break off
		}
		sum = crc.Sum64()
	}
	var raw [crc64nvme.Size]byte
	binary.BigEndian.PutUint64(raw[:], sum)
	start := len(r.values)
	r.values = base64.StdEncoding.AppendEncode(r.values, raw[:])
	r.header = append(r.header, field{sumHeader, r.values[start:]}, field{sumType, fullObject})
	return nil
}
