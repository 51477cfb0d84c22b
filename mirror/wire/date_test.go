package wire

import (
	"math/rand/v2"
	"net/http"
	"testing"
	"time"
)

// TestDates reads dates as net/http does.
func TestDates(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	check := func(text string) {
		t.Helper()
		want := int64(0)
		if at, err := http.ParseTime(text); err == nil {
			want = at.Unix()
		}
		if got := parseDate([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	for range 20_000 {
		at := time.Unix(rnd.Int64N(1<<37)-1<<36, 0).UTC()
		text := at.Format(http.TimeFormat)
		check(text)
		check(at.Format(time.RFC850))
		check(at.Format(time.ANSIC))
		b := []byte(text)
		b[rnd.IntN(len(b))] = " 0:,GJan9"[rnd.IntN(9)]
		if at, err := http.ParseTime(string(b)); err == nil || parseDate(b) == 0 {
			check(string(b))
		} else if at.IsZero() && string(b[:3]) == text[:3] {
			t.Errorf("%q is taken for a date", b) // of another day of the week it is one all the same
		}
	}
	for _, text := range []string{"", "Mon, 31 Feb 2024 00:00:00 GMT", "Mon, 29 Feb 2024 24:00:00 GMT", "Mon, 01 anF 2024 00:00:00 GMT", "Mon, 30 Apr 2024 00:00:60 GMT"} {
		check(text)
	}
}

func BenchmarkDate(b *testing.B) {
	text := []byte("Tue, 15 Nov 1994 12:45:26 GMT")
	for b.Loop() {
		parseDate(text)
	}
}
