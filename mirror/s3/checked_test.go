package s3

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/crc64"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/motefs/motefs/mirror"
)

// sumFields make the fields of a body as a server does, by the standard library alone.
var sumFields = map[string]func(body string) []byte{
	"x-amz-checksum-crc64nvme": func(body string) []byte {
		return binary.BigEndian.AppendUint64(nil, crc64.Checksum([]byte(body), crc64.MakeTable(0x9a6c9329ac4bc9b5)))
	},
	"x-amz-checksum-crc32c": func(body string) []byte {
		return binary.BigEndian.AppendUint32(nil, crc32.Checksum([]byte(body), crc32.MakeTable(crc32.Castagnoli)))
	},
	"x-amz-checksum-crc32": func(body string) []byte {
		return binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(body)))
	},
	"x-amz-checksum-sha1":   func(body string) []byte { s := sha1.Sum([]byte(body)); return s[:] },
	"x-amz-checksum-sha256": func(body string) []byte { s := sha256.Sum256([]byte(body)); return s[:] },
}

// sumsBucket is a bucket of "FIELD/KIND/LENGTH", of which KIND says how the sum is, where
// one is asked for.
func sumsBucket(t *testing.T) *bucket {
	b := &bucket{}
	for field := range sumFields {
		for _, kind := range []string{"right", "wrong", "composite", "type"} {
			for _, n := range []int{1, 100, 100_000, 3_000_000} {
				b.keys = append(b.keys, fmt.Sprintf("%s/%s/%d", field, kind, n))
			}
		}
	}
	slices.Sort(b.keys)
	b.body = func(key string) string {
		var n int
		fmt.Sscan(key[strings.LastIndexByte(key, '/')+1:], &n)
		return strings.Repeat(key, 1+n/len(key))[:n]
	}
	b.before = func(w http.ResponseWriter, r *http.Request) bool {
		key, isObject := strings.CutPrefix(r.URL.Path, "/bucket/")
		if asked := r.Header.Get("x-amz-checksum-mode"); (asked == "ENABLED") != isObject {
			t.Errorf("%s: %q", r.URL, asked)
		}
		part := strings.Split(key, "/")
		if !isObject || len(part) < 3 {
			return false
		}
		body := b.body(key)
		switch part[1] {
		case "right":
			w.Header().Set(part[0], base64.StdEncoding.EncodeToString(sumFields[part[0]](body)))
		case "wrong":
			w.Header().Set(part[0], base64.StdEncoding.EncodeToString(sumFields[part[0]](body+"x")))
		case "composite":
			w.Header().Set(part[0], base64.StdEncoding.EncodeToString(sumFields[part[0]](body+"x"))+"-2")
		case "type":
			w.Header().Set(part[0], base64.StdEncoding.EncodeToString(sumFields[part[0]](body+"x")))
			w.Header().Set("x-amz-checksum-type", "COMPOSITE")
		}
		return false
	}
	return b.start(t)
}

// TestChecked has objects be checked against each of S3's sums, short ones, spooled ones
// and streams, and not against sums of parts.
func TestChecked(t *testing.T) {
	b := sumsBucket(t)
	for _, spools := range []bool{false, true} {
		c := b.client(t, Options{})
		spooled, came := map[int]string{}, 0
		r := mirror.Receiver{Receive: func(i int, obj *mirror.Object, err error) {
			came++
			name, body := b.keys[i], ""
			switch {
			case err != nil:
			case obj.Spooled:
				body = spooled[i]
			case obj.Stream != nil:
				var all []byte
				all, err = io.ReadAll(obj.Stream)
				body = string(all)
			default:
				body = string(obj.Body)
			}
			switch wrong := strings.Contains(name, "/wrong/"); {
			case wrong != errors.Is(err, mirror.ErrChecksum) || !wrong && err != nil:
				t.Errorf("%s: %v", name, err)
			case !wrong && body != b.body(name):
				t.Errorf("%s: %d bytes that are others", name, len(body))
			case wrong && body == b.body(name):
				t.Errorf("%s is given whole", name)
			}
		}}
		if spools {
			r.Spool = func(i int, obj *mirror.Object) error {
				all, err := io.ReadAll(obj.Stream)
				spooled[i] = string(all)
				return err
			}
		}
		if err := c.Fetch(t.Context(), b.keys, r); err != nil || came != len(b.keys) {
			t.Errorf("%v, and %d of %d came", err, came, len(b.keys))
		}
		if spools && len(spooled) == 0 {
			t.Error("nothing was spooled")
		}
	}
}

// TestPartsAreNotChecked has a part come whatever sum is said with it, which is that of
// the whole.
func TestPartsAreNotChecked(t *testing.T) {
	b := sumsBucket(t)
	c := b.client(t, Options{})
	for _, kind := range []string{"right", "wrong"} {
		key := "x-amz-checksum-crc32/" + kind + "/100000"
		part := mirror.Part{Off: 500, Len: 1000, Size: 100_000, ETag: etagOf(key), ModTime: fakeTime.Unix()}
		err := c.FetchRange(t.Context(), key, part, func(obj *mirror.Object) error {
			all, err := io.ReadAll(obj.Stream)
			if string(all) != b.body(key)[500:1500] {
				t.Errorf("%s: %d bytes that are others", key, len(all))
			}
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// TestListsAskForNoSums, which is the bucket's to say.
func TestListsAskForNoSums(t *testing.T) {
	b := sumsBucket(t)
	if names, _ := walkAll(t, b.client(t, Options{}), ""); len(names) != len(b.keys) {
		t.Errorf("%d names", len(names))
	}
}
