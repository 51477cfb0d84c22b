package serve_test

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc64"
	"net/http"
	"testing"

	"github.com/motefs/motefs/mirror/origin/origintest/rawhttp"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestS3Sums has a get, and a HEAD, that asks for it be told the sum of the whole object,
// short or long, and no other request.
func TestS3Sums(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 10, LargeEvery: 5, LargeSize: 3_000_000, S3ETags: true})
	s := serve.OpenTest(t, serve.Options{S3: &serve.S3Options{}}, src)
	silent := serve.OpenTest(t, serve.Options{S3: &serve.S3Options{NoSums: true}}, src)
	ask := func(addr, method string, i int64, header ...string) *http.Response {
		resp, _ := rawhttp.Ask(t, addr, method, "/motefs/"+src.Name(i), header...)
		return resp
	}
	const mode = "x-amz-checksum-mode"
	for i := range int64(10) {
		// The library's sum, as the server makes its own.
		sum := crc64.Checksum(src.Body(i), crc64.MakeTable(0x9a6c9329ac4bc9b5))
		want := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, sum))
		for _, method := range []string{"GET", "HEAD"} {
			resp := ask(s.Addr(), method, i, mode, "ENABLED")
			if got := resp.Header.Get("x-amz-checksum-crc64nvme"); got != want || resp.Header.Get("x-amz-checksum-type") != "FULL_OBJECT" || resp.StatusCode != 200 {
				t.Errorf("%s of file %d: %+v, want %s", method, i, resp, want)
			}
		}
		etag := ask(s.Addr(), "HEAD", i).Header.Get("ETag")
		for what, resp := range map[string]*http.Response{
			"not asked for":             ask(s.Addr(), "GET", i),
			"another mode":              ask(s.Addr(), "GET", i, mode, "enabled"),
			"of a part":                 ask(s.Addr(), "GET", i, mode, "ENABLED", "Range", "bytes=1-2"),
			"of what is here":           ask(s.Addr(), "GET", i, mode, "ENABLED", "If-None-Match", etag),
			"of a server that has none": ask(silent.Addr(), "GET", i, mode, "ENABLED"),
		} {
			if got := resp.Header.Get("x-amz-checksum-crc64nvme") + resp.Header.Get("x-amz-checksum-type"); got != "" {
				t.Errorf("file %d: the sum %s, %q", i, what, got)
			}
		}
	}
}
