package serve

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"testing"

	"github.com/motefs/motefs/mirror/origin/origintest/rawhttp"
)

const billion = 1_000_000_000

func TestSyntheticNames(t *testing.T) {
	flat := NewSynthetic(SyntheticOptions{Files: billion})
	dirs := NewSynthetic(SyntheticOptions{Files: billion, FilesPerDir: 1000})
	for i, want := range map[int64][2]string{
		0:           {"file-000000000000", "d000000/file-000000000000"},
		12_345:      {"file-000000012345", "d000012/file-000000012345"},
		billion - 1: {"file-000999999999", "d999999/file-000999999999"},
	} {
		for k, src := range []*Synthetic{flat, dirs} {
			if got := src.Name(i); got != want[k] {
				t.Errorf("name of %d is %q, want %q", i, got, want[k])
			}
			if got, ok := src.Index([]byte(want[k])); got != i || !ok {
				t.Errorf("index of %q is %d, %v, want %d", want[k], got, ok, i)
			}
		}
	}
	for _, name := range []string{
		"", "file-", "file-00000000000x", "file-001000000000", "file-0000000000000", "xfile-000000000000",
		"/file-000000000000", "d000001/file-000000000000", "d000000//file-000000000000", "ﬁle-000000000000",
		"file-999999999999",
	} {
		for _, src := range []*Synthetic{flat, dirs} {
			if i, ok := src.Index([]byte(name)); ok {
				t.Errorf("index of %q is %d, want none", name, i)
			}
		}
	}
}

func TestSyntheticListing(t *testing.T) {
	for _, o := range []SyntheticOptions{
		{}, {Files: 1}, {Files: 7}, {Files: 8}, {Files: 9}, {Files: 100, Shuffle: true}, {Files: 100, FilesPerDir: 3},
	} {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			src := NewSynthetic(o)
			got := rawhttp.Names(rawhttp.Pages(t, OpenTest(t, Options{PageSize: 8}, src).Addr(), ""))
			var want []string
			for k := range o.Files {
				want = append(want, src.Name(src.Listed(k)))
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			slices.Sort(got)
			for i := range got {
				if got[i] != src.Name(int64(i)) {
					t.Fatalf("%d-th name in order is %q, want %q", i, got[i], src.Name(int64(i)))
				}
			}
		})
	}
}

func TestSyntheticBillion(t *testing.T) {
	for _, shuffle := range []bool{false, true} {
		src := NewSynthetic(SyntheticOptions{Files: billion, Shuffle: shuffle})
		var first, last []string
		next, err := src.Page("", 1000, func(name []byte) { first = append(first, string(name)) })
		if err != nil || next != "1000" || len(first) != 1000 || first[999] != src.Name(src.Listed(999)) {
			t.Errorf("first page: %d names, next %q, %v", len(first), next, err)
		}
		next, err = src.Page("999999000", 1000, func(name []byte) { last = append(last, string(name)) })
		if err != nil || next != "" || len(last) != 1000 || last[999] != src.Name(src.Listed(billion-1)) {
			t.Errorf("last page: %d names, next %q, %v", len(last), next, err)
		}
	}
}

func TestSyntheticBadMarkers(t *testing.T) {
	src := NewSynthetic(SyntheticOptions{Files: 10})
	for _, marker := range []string{"x", "-1", "0", "+1", "01", "11", "1 ", "99999999999999999999"} {
		if _, err := src.Page(marker, 1, func([]byte) {}); !errors.Is(err, ErrMarker) {
			t.Errorf("%q: %v", marker, err)
		}
	}
}

func TestSyntheticBodies(t *testing.T) {
	for _, o := range []SyntheticOptions{
		{Files: 2000}, {Files: 2000, BodySize: 8}, {Files: 2000, Compressible: true}, {Files: 2000, Seed: 5},
	} {
		src := NewSynthetic(o)
		seen := make(map[string]bool)
		for i := range o.Files {
			body := src.Body(i)
			if seen[string(body)] || int64(len(body)) != src.Size(i) {
				t.Fatalf("%+v: body of %d is %d long or there before", o, i, len(body))
			}
			seen[string(body)] = true
		}
	}
	if got := NewSynthetic(SyntheticOptions{Files: 1, BodySize: -1}).Body(0); len(got) != 0 {
		t.Errorf("an empty body is %q", got)
	}
	if a, b := NewSynthetic(SyntheticOptions{}).Body(1), NewSynthetic(SyntheticOptions{Seed: 1}).Body(1); bytes.Equal(a, b) {
		t.Error("the seed does not change the body")
	}
}

func TestSyntheticSizes(t *testing.T) {
	src := NewSynthetic(SyntheticOptions{Files: 1000, VarySize: true, LargeEvery: 10, LargeSize: 5000})
	var sum int64
	sizes := make(map[int64]bool)
	for i := range int64(1000) {
		size := src.Size(i)
		if large := i%10 == 9; large != (size == 5000) {
			t.Fatalf("file %d is %d long", i, size)
		} else if !large {
			sum += size
			sizes[size] = true
		}
	}
	if mean := sum / 900; mean < 90 || mean > 110 || len(sizes) < 150 || !sizes[0] && !sizes[200] {
		t.Errorf("mean %d, %d different sizes", mean, len(sizes))
	}
}

func TestSyntheticBodyParts(t *testing.T) {
	rng := newRand(t)
	for _, compressible := range []bool{false, true} {
		src := NewSynthetic(SyntheticOptions{Files: 10, BodySize: 1000, Compressible: compressible})
		whole := src.Body(3)
		for range 1000 {
			from := rng.IntN(1000)
			part := make([]byte, rng.IntN(1000-from+1))
			if _, err := src.Reader(3).ReadAt(part, int64(from)); err != nil || !bytes.Equal(part, whole[from:from+len(part)]) {
				t.Fatalf("compressible %v: %d bytes at %d differ, %v", compressible, len(part), from, err)
			}
		}
		if all, err := io.ReadAll(src.Reader(3)); err != nil || !bytes.Equal(all, whole) {
			t.Errorf("compressible %v: the reader's body differs, %v", compressible, err)
		}
	}
}

func TestSyntheticCompressible(t *testing.T) {
	if len(lineText) != lineSize {
		t.Fatalf("a line is %d long, want %d", len(lineText), lineSize)
	}
	for compressible, want := range map[bool][2]int{true: {1000, 20_000}, false: {99_000, 101_000}} {
		var packed bytes.Buffer
		w, err := flate.NewWriter(&packed, flate.DefaultCompression)
		if err != nil {
			t.Fatal(err)
		}
		src := NewSynthetic(SyntheticOptions{Compressible: compressible})
		for i := range int64(1000) {
			_, _ = w.Write(src.Body(i))
		}
		if err := w.Close(); err != nil || packed.Len() < want[0] || packed.Len() > want[1] {
			t.Errorf("compressible %v: 100,000 bytes take %d, %v", compressible, packed.Len(), err)
		}
	}
}

// TestSyntheticLargeIsStreamed gets a file that must not be in memory.
func TestSyntheticLargeIsStreamed(t *testing.T) {
	const size = 96 << 20
	src := NewSynthetic(SyntheticOptions{Files: 1, LargeEvery: 1, LargeSize: size})
	s := OpenTest(t, Options{}, src)
	c := rawhttp.Dial(t, s.Addr())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c.Send("/get/" + src.Name(0))
	resp, err := http.ReadResponse(c.Reader, nil)
	if err != nil || resp.ContentLength != size {
		t.Fatalf("%+v, %v", resp, err)
	}
	want, buf, wantBuf := src.Reader(0), make([]byte, 64<<10), make([]byte, 64<<10)
	for left := size; left > 0; left -= len(buf) {
		if _, err := io.ReadFull(resp.Body, buf); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(want, wantBuf); err != nil || !bytes.Equal(buf, wantBuf) {
			t.Fatalf("content differs %d bytes from the end, %v", left, err)
		}
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 4<<20 {
		t.Errorf("%d bytes were allocated", got)
	}
}

func TestSyntheticValidators(t *testing.T) {
	src := NewSynthetic(SyntheticOptions{Files: 2, Validators: true})
	s := OpenTest(t, Options{}, src)
	first, _ := rawhttp.Ask(t, s.Addr(), http.MethodGet, "/get/"+src.Name(0))
	second, _ := rawhttp.Ask(t, s.Addr(), http.MethodGet, "/get/"+src.Name(1))
	if etag := first.Header.Get("ETag"); len(etag) < 3 || etag == second.Header.Get("ETag") {
		t.Errorf("validators %q and %q", etag, second.Header.Get("ETag"))
	}
	if got, want := first.Header.Get("Last-Modified"), src.ModTime(0).Format(http.TimeFormat); got != want {
		t.Errorf("last modified %q, want %q", got, want)
	}
}
