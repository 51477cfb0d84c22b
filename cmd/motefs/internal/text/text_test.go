package text

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestNumbers(t *testing.T) {
	for got, want := range map[string]string{
		Count(0): "0", Count(999): "999", Count(1000): "1,000", Count(1234567): "1,234,567",
		Short(999): "999", Short(1000): "1.0k", Short(99_950): "100k", Short(999_500): "1.0M", Short(1_000_000_000): "1.0G", Short(math.MaxUint64): "18.4E",
		Bytes(0): "0 B", Bytes(1023): "1023 B", Bytes(1024): "1.0 KiB", Bytes(1 << 40): "1.0 TiB",
		Span(-1): "0s", Span(59 * time.Second): "59s", Span(61 * time.Second): "1m01s", Span(5*time.Hour + 7*time.Minute): "5h07m", Span(100 * time.Hour): "4d4h",
		Seconds(0): "0s", Seconds(61): "1m01s", Seconds(century): "36500d0h", Seconds(century + 1): "over 100 years",
		Seconds(9_300_000_000): "over 100 years", Seconds(math.MaxUint64): "over 100 years",
		Percent(0, 0): "100 %", Percent(0, 5): "0.0 %", Percent(999_999_999, 1_000_000_000): "99 %", Percent(1, 3): "33 %", Percent(3, 3): "100 %",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestWrap: all words are there, and no line is too long.
func TestWrap(t *testing.T) {
	words := []string{"one", "", "two words", strings.Repeat("long", 10), "名前名前名前", "end"}
	for columns := 1; columns < 60; columns++ {
		lines := Wrap(words, columns)
		for _, line := range lines {
			if Width(line) > max(columns, 2) {
				t.Errorf("%q takes %d of %d columns", line, Width(line), columns)
			}
		}
		all, want := strings.Join(lines, ""), strings.Join(words, "")
		if strings.ReplaceAll(all, " ", "") != strings.ReplaceAll(want, " ", "") {
			t.Errorf("in %d columns %q", columns, lines)
		}
	}
}

func TestCut(t *testing.T) {
	for columns, want := range map[int]string{0: "", 1: "…", 2: "a…", 3: "a…", 4: "a名…", 5: "a名b"} {
		if got := Cut("a名bc", columns); columns < 5 && got != want {
			t.Errorf("%d columns: %q, want %q", columns, got, want)
		}
	}
	if got := Cut("a名bc", 5); got != "a名bc" {
		t.Errorf("whole: %q", got)
	}
}

// TestWidth: what takes two columns counts two, and what stands beside it one.
func TestWidth(t *testing.T) {
	for s, want := range map[string]int{
		"": 0, "abc": 3, "é": 1, "e\u0301": 1, "名": 2, "😀": 2, "…": 1,
		"⌚": 2, "\u2319": 1, "⏰": 2, "⏱": 1, "⏳": 2, "☔": 2, "☀": 1, "♈": 2, "⚡": 2, "✅": 2, "✔": 1, "❌": 2, "❗": 2, "➕": 2, "⬛": 2, "⭐": 2, "⭕": 2, "\u2b56": 1,
	} {
		if got := Width(s); got != want {
			t.Errorf("%q takes %d columns, want %d", s, got, want)
		}
	}
}

// TestOneLine: no character that moves the cursor comes out.
func TestOneLine(t *testing.T) {
	for s, want := range map[string]string{
		"a\nb": "a; b", "a\tb": `a\u0009b`, "a\r\x1bb": `a\u000d\u001bb`, "\xff\u202e": `\xff\u202e`, "plain ünï 漢字": "plain ünï 漢字",
	} {
		if got := OneLine(s); got != want || OneLine(got) != got {
			t.Errorf("%q becomes %q, want %q", s, got, want)
		}
	}
}
