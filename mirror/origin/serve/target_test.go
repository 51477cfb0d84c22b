package serve

import (
	"net/url"
	"testing"
)

func FuzzAppendDecoded(f *testing.F) {
	for _, s := range []string{"", "a", "%61", "%", "%6", "%6g", "a%00b%2F%ff", "+", "%%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := url.PathUnescape(s)
		got, ok := appendDecoded([]byte("x"), []byte(s))
		if ok != (err == nil) || ok && string(got) != "x"+want {
			t.Errorf("%q: got %q, %v, want %q, %v", s, got, ok, want, err)
		}
	})
}

func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"bytes=0-0", "bytes=-", "bytes=-5", "bytes=3-", "bytes=9-1", "bytes=99999999999999999999-"} {
		f.Add(s, int64(10))
		f.Add(s, int64(0))
	}
	f.Fuzz(func(t *testing.T, s string, size int64) {
		size = max(size, 0)
		first, last, ok := parseRange([]byte(s), size)
		if ok && first <= last && (first < 0 || last >= size) {
			t.Errorf("%q of %d: %d to %d", s, size, first, last)
		}
	})
}

func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"/list", "/get/a", "http://x", "http://", "x", "/base/get/", "/list?next-marker", "/list?&&=&"} {
		f.Add([]byte(s), "")
		f.Add([]byte(s), "/base")
	}
	f.Fuzz(func(t *testing.T, target []byte, base string) {
		if route, arg := parseTarget(target, base); route == routeList {
			queryMarker(arg)
		}
	})
}
