package s3

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/motefs/motefs/mirror/s3/crc64nvme"
	"github.com/motefs/motefs/mirror/wire"
	"github.com/motefs/motefs/mirror/wire/wiretest"
)

func headOf(t testing.TB, fields ...string) *wire.Fields {
	return parsed(t, "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"+strings.Join(fields, "\r\n")+"\r\nContent-Length: 9\r\n\r\n")
}

func parsed(t testing.TB, head string) *wire.Fields {
	f := &wire.Fields{}
	if err := f.Parse([]byte(head)); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestSumOf has the sums of "123456789" as S3 says them, which are the check values of the
// catalogue of CRCs, and FIPS 180-4's functions.
func TestSumOf(t *testing.T) {
	for _, c := range []struct {
		fields []string
		name   string // empty: it is not checked
		sum    string
	}{
		{[]string{"x-amz-checksum-crc64nvme: rosUhgp5mIg="}, "CRC-64/NVME", "ae8b14860a799888"},
		{[]string{"X-Amz-Checksum-Crc32c:4waSgw=="}, "CRC-32C", "e3069283"},
		{[]string{"X-Amz-Checksum-CRC32:  y/Q5Jg==", "x-amz-checksum-type: FULL_OBJECT"}, "CRC-32", "cbf43926"},
		{[]string{"x-amz-checksum-sha1: 98O8HYCOBHMq32eZZczDTKeuNEE="}, "SHA-1", ""},
		{[]string{"x-amz-checksum-sha256: FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="}, "SHA-256", ""},
		{[]string{"x-amz-checksum-sha256: FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=", "x-amz-checksum-crc32: y/Q5Jg==", "x-amz-checksum-crc32c: 4waSgw=="}, "CRC-32C", "e3069283"},
		{[]string{"x-amz-checksum-crc64nvme: rosUhgp5mIg=", "x-amz-checksum-crc32: y/Q5Jg=="}, "CRC-64/NVME", "ae8b14860a799888"},
		{[]string{"ETag: \"a\""}, "", ""},
		{[]string{"x-amz-checksum-crc32: y/Q5Jg==-3"}, "", ""},
		{[]string{"x-amz-checksum-sha256: FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=-12"}, "", ""},
		{[]string{"x-amz-checksum-crc32: y/Q5Jg==", "x-amz-checksum-type: COMPOSITE"}, "", ""},
		{[]string{"x-amz-checksum-type: Composite", "x-amz-checksum-crc32: y/Q5Jg=="}, "", ""},
		{[]string{"x-amz-checksum-crc32: cbf43926"}, "", ""},
		{[]string{"x-amz-checksum-crc32: y/Q5J-=="}, "", ""},
		{[]string{"x-amz-checksum-crc32: "}, "", ""},
		{[]string{"x-amz-checksum-md5: y/Q5Jg=="}, "", ""},
		{[]string{"x-amz-checksum-crc64nvme: y/Q5Jg=="}, "", ""},
		{[]string{"x-amz-checksum-: y/Q5Jg=="}, "", ""},
	} {
		sum, of := sumOf([]byte("dst"), headOf(t, c.fields...))
		if of == nil {
			if c.name != "" || string(sum) != "dst" {
				t.Errorf("%q: %q and no algorithm", c.fields, sum)
			}
			continue
		}
		h := of.New()
		h.Write([]byte("123456789"))
		if of.Name != c.name || string(sum) != string(h.Sum([]byte("dst"))) || c.sum != "" && c.sum != hex.EncodeToString(sum[3:]) {
			t.Errorf("%q: %s, %x", c.fields, of.Name, sum)
		}
	}
}

// FuzzSumOf has no value be a sum of another length than its algorithm's.
func FuzzSumOf(f *testing.F) {
	f.Add("crc32", "y/Q5Jg==", "")
	f.Add("crc64nvme", "rosUhgp5mIg=", "COMPOSITE")
	f.Fuzz(func(t *testing.T, name, value, kind string) {
		fields := &wire.Fields{}
		head := fmt.Sprintf("HTTP/1.1 200 OK\r\nx-amz-checksum-%s: %s\r\nx-amz-checksum-type: %s\r\n\r\n", name, value, kind)
		if fields.Parse([]byte(head)) != nil {
			return
		}
		if sum, of := sumOf(nil, fields); of != nil && len(sum) != of.New().Size() {
			t.Errorf("%q: %x for %s", head, sum, of.Name)
		}
	})
}

// amazonHead is what S3 answers.
func amazonHead(b *testing.B, sum string) *wire.Fields {
	return parsed(b, "HTTP/1.1 200 OK\r\nx-amz-id-2: eftixk72aD6Ap51TnqcoF8eFidJG9Z/2mkiDFu8yU9AS1ed4OpIszj7UDNEHGran\r\nx-amz-request-id: 318BC8BC148832E5\r\n"+
		"Date: Mon, 17 Dec 2012 02:00:14 GMT\r\nLast-Modified: Wed, 12 Oct 2009 17:50:00 GMT\r\nETag: \"fba9dede5f27731c9771645a39863328\"\r\n"+
		"x-amz-server-side-encryption: AES256\r\n"+sum+"Accept-Ranges: bytes\r\nContent-Type: binary/octet-stream\r\nServer: AmazonS3\r\nContent-Length: 100\r\n\r\n")
}

// BenchmarkSum is what it costs to find a sum in a head, and to make that of 100 bytes.
func BenchmarkSum(b *testing.B) {
	body, dst := make([]byte, 100), make([]byte, 0, 64)
	for name, sum := range map[string]string{
		"none": "", "crc64nvme": "x-amz-checksum-crc64nvme: rosUhgp5mIg=\r\nx-amz-checksum-type: FULL_OBJECT\r\n",
		"crc32":  "x-amz-checksum-crc32: y/Q5Jg==\r\nx-amz-checksum-type: FULL_OBJECT\r\n",
		"sha256": "x-amz-checksum-sha256: FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=\r\nx-amz-checksum-type: FULL_OBJECT\r\n",
	} {
		head := amazonHead(b, sum)
		_, of := sumOf(nil, head)
		b.Run("find/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sumOf(dst, head)
			}
		})
		if of == nil {
			continue
		}
		h := of.New()
		b.Run("make/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.Reset()
				h.Write(body)
				h.Sum(dst)
			}
		})
	}
}

// BenchmarkGet measures batches of 1,000 objects of 100 bytes, of which the server says the
// sum or does not; one operation is one object.
func BenchmarkGet(b *testing.B) {
	for _, sums := range []bool{false, true} {
		b.Run(fmt.Sprintf("sums=%v", sums), func(b *testing.B) {
			s := wiretest.ReplayWith(b, func(body string) string {
				if !sums {
					return ""
				}
				raw := binary.BigEndian.AppendUint64(nil, crc64nvme.Checksum([]byte(body)))
				return "x-amz-checksum-crc64nvme: " + base64.StdEncoding.EncodeToString(raw) + "\r\nx-amz-checksum-type: FULL_OBJECT\r\n"
			})
			c, err := wire.New(wire.Options{URL: s.Base(), Pipeline: 1 << 20, Sum: sumOf})
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			batch := &wire.Batch{
				Len:    1000,
				Target: func(dst []byte, i int) []byte { return fmt.Appendf(dst, "/file-%07d", i) },
				Take: func(_ int, _ *wire.Answer, err error) {
					if err != nil {
						b.Error(err)
					}
				},
			}
			b.ReportAllocs()
			for n := 0; n < b.N; n += batch.Len {
				if err := c.Get(b.Context(), batch); err != nil {
					b.Error(err)
				}
			}
		})
	}
}
