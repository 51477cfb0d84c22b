package wire

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/motefs/motefs/mirror"
)

// TestFieldsOfOneAfterAnother has heads of all kinds parsed in one place, each of which
// must be as if it were the first: what former ones had is only to make it quick.
func TestFieldsOfOneAfterAnother(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	names := []string{"ETag", "etag", "ETAG", "Date", "Server", "S", "Content-Type", "Content-Type-Not", strings.Repeat("n", maxName-1), strings.Repeat("n", maxName)}
	var used Fields
	for range 10_000 {
		head, want := "HTTP/1.1 200 OK\r\n", map[string][]string{}
		for range rnd.IntN(6) {
			name, value := names[rnd.IntN(len(names))], fmt.Sprint(rnd.IntN(100))
			head += name + ":" + strings.Repeat(" ", rnd.IntN(3)) + value + "\r\n"
			if len(name) < maxName {
				lower := strings.ToLower(name)
				want[lower] = append(want[lower], value)
			}
		}
		head += "\r\n"
		raw := []byte(head)
		if err := used.Parse(raw); err != nil {
			t.Fatalf("%q: %v", head, err)
		}
		clear(raw) // it was the connection's buffer
		for _, name := range names {
			name = strings.ToLower(name)
			var got []string
			for _, value := range used.Values(name) {
				got = append(got, string(value))
			}
			if !slices.Equal(got, want[name]) || len(got) > 0 && string(used.Get(name)) != got[0] || len(got) == 0 && used.Get(name) != nil {
				t.Fatalf("%q: %s is %q, want %q", head, name, got, want[name])
			}
		}
		if rnd.IntN(10) == 0 { // it leaves nothing behind
			if err := used.Parse([]byte("HTTP/1.1 200 OK\r\nServer: x\r\nDate\r\n\r\n")); !errors.Is(err, mirror.ErrFraming) {
				t.Fatal(err)
			}
		}
	}
}

// BenchmarkFields is one head after another, of which the values differ.
func BenchmarkFields(b *testing.B) {
	var heads [2][]byte
	for i := range heads {
		heads[i] = fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nServer: x\r\nDate: Mon, 17 Dec 2012 02:00:1%d GMT\r\nContent-Type: application/octet-stream\r\nContent-Length: 10%d\r\n"+
			"ETag: \"fba9dede5f27731c9771645a3986332%d\"\r\nLast-Modified: Wed, 12 Oct 2009 17:50:00 GMT\r\nAccept-Ranges: bytes\r\n\r\n", i, i, i)
	}
	b.ReportAllocs()
	var f Fields
	for i := 0; b.Loop(); i++ {
		if err := f.Parse(heads[i%2]); err != nil {
			b.Fatal(err)
		}
		if n, _, err := f.framing(); n < 0 || err != nil || f.Get("etag") == nil || f.Get("content-encoding") != nil || f.Get("last-modified") == nil {
			b.Fatal(n, err)
		}
	}
}
