package status

import (
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/motefs/motefs/cmd/motefs/internal/text"
)

// full is a status with all that can be in one, and evil in every text.
func full() *Status {
	const evil = "\x1b]0;pwned\a\x1b[2J\u009b31m\u202egpj\r\nforged: all is well\n\xff"
	now := time.Unix(1_700_000_000, 0).UTC()
	n := func(v uint64) *uint64 { return &v }
	return &Status{
		Time: now, PID: new(4711), Command: new("mount"), Holder: new(evil), Mountpoint: new("/mnt/" + evil), Origin: "http://o/" + evil, Store: "/store/" + evil,
		State: Mirroring, ListingComplete: true, ListedAt: &now, Prefetch: true,
		Listed: 1_000_000, Fetched: 575_830, Pending: 424_158, Failed: 12, Gone: 3, Skipped: 4,
		FailedByReason: map[string]uint64{"http_404": 7, "cut_short": 1, "a": 1, "b": 1, "c": 1, "d": 1},
		ContentBytes:   57_583_000, DiskBytes: n(49_893_376), DiskFreeBytes: n(63_166_607_360),
		NamesPerSecond: n(250_000), FilesPerSecond: n(191_852), BytesPerSecond: n(19_185_291),
		SecondsElapsed: n(192), SecondsRemaining: n(133), OriginUp: new(true), LastError: new("get: " + evil), LastErrorAt: &now,
		ThrottledUntil: &now, Connections: n(17), Mount: &Mount{Lookups: 5, Reads: 6, ReadBytes: 7}, Refresh: &Refreshed{New: 1},
	}
}

// TestLinesArePlain: at every width nothing is left out or too long, and a terminal obeys
// nothing of it.
func TestLinesArePlain(t *testing.T) {
	for columns := 10; columns < 130; columns++ {
		odd := full() // as another program may answer
		odd.State, odd.Command = State("serving"+odd.Origin), new("mount"+odd.Origin)
		odd.FailedByReason = map[string]uint64{odd.Origin: 1}
		for _, lines := range [][]string{full().Lines(columns), full().Brief(columns), odd.Lines(columns), odd.Brief(columns)} {
			for _, line := range lines {
				if text.Width(line) > columns {
					t.Fatalf("%q takes %d of %d columns", line, text.Width(line), columns)
				}
				if strings.ContainsFunc(line, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }) {
					t.Fatalf("%q", line)
				}
			}
		}
		all := strings.ReplaceAll(strings.Join(full().Lines(columns), ""), " ", "")
		for _, want := range []string{"1,000,000", "575,830", "http_404:7", "others:1", "191,852files/s", "2m13s", "process4711", "54.9MiB", "47.6MiB", "17connections"} {
			if !strings.Contains(all, want) {
				t.Errorf("%d columns: no %s in %q", columns, want, all)
			}
		}
	}
	t.Logf("\n%s\n%s", strings.Join(full().Lines(79), "\n"), strings.Join(full().Lines(19), "\n"))
}

// TestLinesOfLittle: what is not known is left out, and says nothing wrong.
func TestLinesOfLittle(t *testing.T) {
	got := strings.Join((&Status{Origin: "http://o", Store: "/s", State: Stopped}).Lines(79), "\n")
	if want := "http://o  not complete, at rest\n  listed    0  the listing is not complete\n  fetched   0  0 B\n  store     /s"; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// TestLinesOfParts: an answer of another program, of which any part is missing, is shown.
func TestLinesOfParts(t *testing.T) {
	whole := reflect.ValueOf(full()).Elem()
	for i := range whole.NumField() {
		part := full()
		part.State = Serving
		reflect.ValueOf(part).Elem().Field(i).SetZero()
		if len(part.Lines(79)) == 0 || len(part.Brief(79)) == 0 || part.Line() == "" || part.HolderText() == "" {
			t.Errorf("nothing is shown without %s", whole.Type().Field(i).Name)
		}
	}
}

// TestHolderText: who holds a store is named as far as it is known, in plain text.
func TestHolderText(t *testing.T) {
	for _, c := range []struct {
		of   Status
		want string
	}{
		{Status{PID: new(7), Command: new("mount")}, "motefs mount, process 7"},
		{Status{PID: new(7)}, "motefs, process 7"},
		{Status{Holder: new("motefs, process 9 on h")}, "motefs, process 9 on h"},
		{Status{Holder: new("")}, "another process"},
		{Status{}, "another process"},
		{Status{PID: new(7), Command: new("a\x1bb")}, "motefs a\\u001bb, process 7"},
	} {
		if got := c.of.HolderText(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// TestPublic: all are shown what kind of error was the last, and not of which file.
func TestPublic(t *testing.T) {
	s := full()
	s.LastError = new("get secret: the origin answered 503")
	if got := s.Public(); *got.LastError != "http_503" || *s.LastError == "http_503" || got.Listed != s.Listed {
		t.Errorf("%+v", got)
	}
	s.LastError = nil
	if s.Public().LastError != nil {
		t.Error("an error is made up")
	}
}
