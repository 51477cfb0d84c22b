package cache

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

func TestEntryRoundTrip(t *testing.T) {
	for _, e := range []Entry{
		{Inode: 16, State: Pending, Size: -1},
		{Inode: 17, State: Pending, Size: 0},
		{Inode: 1 << 40, State: Pending, Size: 12345, ModTime: -5},
		{Inode: 18, State: Inline, Size: 0, Content: []byte{}, Fetched: 1},
		{Inode: 19, State: Inline, Size: 3, Content: []byte("abc"), ETag: `"x"`, ModTime: 1 << 33, Fetched: 1 << 32},
		{Inode: 20, State: Blob, Size: 1 << 40, blob: 77, sum: 1<<64 - 1, ETag: strings.Repeat("e", 300)},
		{Inode: 21, State: Gone, Size: -1, Fetched: 9},
		{Inode: 22, Kind: Dir, State: Inline, Size: -1, Fetched: 4},
	} {
		value := append(appendEntryHead(nil, &e), e.Content...)
		if got := entryHeadLen(&e) + len(e.Content); got != len(value) {
			t.Errorf("%+v: entryHeadLen says %d, encoded %d", e, got, len(value))
		}
		got, err := decodeEntry(value)
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("decoded %+v, %v; want %+v", got, err, e)
		}
	}
}

func FuzzEntry(f *testing.F) {
	f.Add([]byte{1, 16, 'x'})
	f.Add([]byte{2, 16, 5, 5, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Fuzz(func(t *testing.T, value []byte) {
		e, err := decodeEntry(value)
		if err != nil {
			return
		}
		again, err := decodeEntry(append(appendEntryHead(nil, &e), e.Content...))
		if err != nil || again.Inode != e.Inode || again.State != e.State || again.Size != e.Size {
			t.Fatalf("%x decodes to %+v, then to %+v, %v", value, e, again, err)
		}
	})
}

func TestRun(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		names := make([]string, 1+rng.IntN(70))
		for k := range names {
			if rng.IntN(5) > 0 {
				names[k] = strings.Repeat("p", rng.IntN(9)) + string(rune('a'+rng.IntN(26)))
			}
		}
		value := appendRun(nil, File, len(names), func(k int) (string, bool) { return names[k], names[k] != "" })
		r, err := decodeRun(value)
		if err != nil || r.n != len(names) {
			t.Fatalf("decodeRun: %v, n=%d want %d", err, r.n, len(names))
		}
		for k := -1; k <= len(names); k++ {
			want := ""
			if k >= 0 && k < len(names) {
				want = names[k]
			}
			got, ok, err := r.name(k)
			if err != nil || got != want || ok != (want != "") {
				t.Fatalf("name(%d) = %q, %v, %v; want %q of %q", k, got, ok, err, want, names)
			}
		}
	}
}

func FuzzRun(f *testing.F) {
	f.Add(appendRun(nil, Dir, 3, func(k int) (string, bool) { return "abc"[:k+1], true }))
	f.Fuzz(func(t *testing.T, value []byte) {
		r, err := decodeRun(value)
		if err != nil {
			return
		}
		n := 0
		if err := r.each(0, func(k int, name []byte) bool { n++; return len(name) > 0 && k < r.n }); err == nil && n > r.n {
			t.Fatalf("%d names out of a run of %d", n, r.n)
		}
	})
}

func TestProgressRoundTrip(t *testing.T) {
	want := Progress{Marker: "m\x00", ListingComplete: true, Listed: 3, Next: 99, Settled: 17, Files: 5, Dirs: 1, Fetched: 3, Bytes: 1 << 50, Gone: 1, Failed: 1, Skipped: 2, Asked: 4}
	got, err := decodeProgress(want.append(nil))
	if err != nil || got != want {
		t.Errorf("decoded %+v, %v; want %+v", got, err, want)
	}
	if _, err := decodeProgress(nil); err == nil {
		t.Error("an empty value decodes")
	}
}
