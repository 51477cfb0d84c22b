package origintest

import (
	"strings"
	"testing"

	"github.com/motefs/motefs/mirror/origin/origintest/rawhttp"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestS3Faults has faults reach a server that speaks S3.
func TestS3Faults(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 10, S3ETags: true})
	s := New(t, serve.Options{S3: &serve.S3Options{}}, src)
	s.SetFaults(Faults{
		OnGet: func(name []byte, n int) Fault {
			if string(name) == src.Name(3) && n == 0 {
				return S3Refusal(503, "SlowDown")
			}
			return Fault{}
		},
		OnList: func(marker string, _ int) Fault {
			if marker == src.Name(4) {
				return S3Refusal(400, "InvalidArgument")
			}
			return Fault{}
		},
		PageSize: func(marker string) int {
			if marker == "" {
				return 0
			}
			return 5
		},
	})
	resp, body := rawhttp.Ask(t, s.Addr(), "GET", "/motefs/"+src.Name(3))
	if resp.StatusCode != 503 || resp.Header.Get("Content-Type") != "application/xml" || !strings.Contains(body, "<Code>SlowDown</Code>") {
		t.Errorf("%+v %s", resp, body)
	}
	if resp, body := rawhttp.Ask(t, s.Addr(), "GET", "/motefs/"+src.Name(3)); resp.StatusCode != 200 || body != string(src.Body(3)) {
		t.Errorf("%+v %s", resp, body)
	}
	resp, body = rawhttp.Ask(t, s.Addr(), "GET", "/motefs?list-type=2")
	token, _, _ := strings.Cut(body[strings.Index(body, "<NextContinuationToken>")+len("<NextContinuationToken>"):], "<")
	if resp.StatusCode != 200 || !strings.Contains(body, "<KeyCount>0</KeyCount>") || !strings.Contains(body, "<IsTruncated>true</IsTruncated>") {
		t.Fatalf("%+v %s", resp, body)
	}
	s.SetFaults(Faults{PageSize: func(string) int { return 5 }, OnList: func(marker string, _ int) Fault {
		if marker == src.Name(4) {
			return S3Refusal(400, "InvalidArgument")
		}
		return Fault{}
	}})
	resp, body = rawhttp.Ask(t, s.Addr(), "GET", "/motefs?list-type=2&continuation-token="+strings.ReplaceAll(token, "+", "%2B"))
	if resp.StatusCode != 200 || !strings.Contains(body, "<KeyCount>5</KeyCount>") {
		t.Errorf("%+v %s", resp, body)
	}
	if resp, body = rawhttp.Ask(t, s.Addr(), "GET", "/motefs?list-type=2&start-after="+src.Name(4)); resp.StatusCode != 400 || !strings.Contains(body, "refused by the test") {
		t.Errorf("%+v %s", resp, body)
	}
}

// TestCorrupt has one bit of a body be wrong, of a short one and of a part of a long one,
// and its header fields be those of the right one.
func TestCorrupt(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 10, LargeEvery: 10, LargeSize: 2_000_000, S3ETags: true})
	s := New(t, serve.Options{S3: &serve.S3Options{}}, src)
	for _, i := range []int64{3, 9} {
		for _, header := range [][]string{{"x-amz-checksum-mode", "ENABLED"}, {"Range", "bytes=10-59"}} {
			s.SetFaults(Faults{})
			right, body := rawhttp.Ask(t, s.Addr(), "GET", "/motefs/"+src.Name(i), header...)
			s.SetFaults(Faults{OnGet: func([]byte, int) Fault { return Fault{Corrupt: true} }})
			resp, wrong := rawhttp.Ask(t, s.Addr(), "GET", "/motefs/"+src.Name(i), header...)
			if len(wrong) != len(body) || len(body) == 0 {
				t.Fatalf("%d bytes for %d", len(wrong), len(body))
			}
			for k := range body {
				if (body[k] != wrong[k]) != (k == len(body)/2) {
					t.Errorf("file %d %q: byte %d of %d is %x for %x", i, header, k, len(body), wrong[k], body[k])
				}
			}
			for _, name := range []string{"ETag", "X-Amz-Checksum-Crc64nvme", "Content-Range"} {
				if got, want := resp.Header.Get(name), right.Header.Get(name); got != want {
					t.Errorf("file %d %q: %s %q for %q", i, header, name, got, want)
				}
			}
		}
	}
}
