package serve

import (
	"encoding/json"
	"fmt"
	"testing"
	"unicode/utf8"
)

// checkString compares appendString with encoding/json for one string.
func checkString(t *testing.T, s string) {
	t.Helper()
	got := appendString(nil, s)
	if !utf8.ValidString(s) {
		// encoding/json has no form for these. Byte by byte, the encoding of
		// all that is ASCII must be right, and the rest unchanged.
		got, s = []byte(fromLatin(got)), fromLatin([]byte(s))
	}
	var back string
	if err := json.Unmarshal(got, &back); err != nil || back != s {
		t.Fatalf("%q is encoded as %q, which is %q, %v", s, got, back, err)
	}
}

// fromLatin makes a rune of each byte.
func fromLatin(b []byte) string {
	runes := make([]rune, len(b))
	for i := range b {
		runes[i] = rune(b[i])
	}
	return string(runes)
}

func TestAppendStringEveryByte(t *testing.T) {
	for b := range 256 {
		checkString(t, string([]byte{byte(b)}))
		checkString(t, string([]byte{'a', byte(b), '"', byte(b), byte(b), 'z'}))
	}
}

func TestAppendStringRandom(t *testing.T) {
	rng := newRand(t)
	for range 20_000 {
		b := make([]byte, rng.IntN(20))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		checkString(t, string(b))
		runes := make([]rune, rng.IntN(20))
		for i := range runes {
			runes[i] = rng.Int32N(utf8.MaxRune + 1)
		}
		checkString(t, string(runes))
	}
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", "a\"b\\c", "\x00\x1f\x7f\u2028", "\xff\xfe", "\xed\xa0\x80", "é𝄞"} {
		f.Add(s)
	}
	f.Fuzz(checkString)
}

func TestPageEncoder(t *testing.T) {
	var e pageEncoder
	tests := []struct {
		names []string
		next  string
		want  string
	}{
		{nil, "", `{"FileNames": []}`},
		{[]string{"a"}, "2", `{"FileNames": ["a"], "NextFile": "2"}`},
		{[]string{"a", "\"\xff"}, "p\\2", `{"FileNames": ["a", "\"` + "\xff" + `"], "NextFile": "p\\2"}`},
	}
	for _, test := range tests {
		e.begin()
		for _, name := range test.names {
			e.add([]byte(name))
		}
		if got := string(e.end(test.next)); got != test.want+"\n" {
			t.Errorf("%q %q: got %s, want %s", test.names, test.next, got, test.want)
		}
	}
}

// BenchmarkPages measures the listing.
func BenchmarkPages(b *testing.B) {
	for _, shuffle := range []bool{false, true} {
		b.Run(fmt.Sprintf("shuffle=%v", shuffle), func(b *testing.B) {
			src := NewSynthetic(SyntheticOptions{Files: 1_000_000_000, Shuffle: shuffle})
			var e pageEncoder
			b.ReportAllocs()
			for range b.N {
				e.begin()
				next, err := src.Page("1000", DefaultPageSize, e.add)
				if err != nil {
					b.Fatal(err)
				}
				e.end(next)
			}
			b.ReportMetric(float64(b.N)*DefaultPageSize/b.Elapsed().Seconds(), "names/s")
		})
	}
}
