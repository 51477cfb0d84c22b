package screen

import (
	"bytes"
	"strings"
	"testing"

	"github.com/motefs/motefs/cmd/motefs/internal/text"
)

// on is a screen whose size a test sets.
func on(columns, lines *int) (*Screen, *bytes.Buffer) {
	var out bytes.Buffer
	return &Screen{w: &out, size: func() (int, int) { return *columns, *lines }}, &out
}

// TestLive: lines are cut to the width, taken back by as many rows as they take, and the log
// goes above them.
func TestLive(t *testing.T) {
	columns, height := 20, 10
	s, out := on(&columns, &height)
	said := func(want string) {
		t.Helper()
		if got := out.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		out.Reset()
	}
	s.Live(nil)
	said("")
	s.Live([]string{strings.Repeat("a", 30), "b"})
	said("\r\x1b[2K" + strings.Repeat("a", 18) + "…\nb")
	s.Write([]byte("log\n"))
	said("\r\x1b[1A\x1b[2K\x1b[1B\x1b[2K\x1b[1Alog\n" + strings.Repeat("a", 18) + "…\nb")
	s.Aside(func() { out.WriteString("other\n") })
	said("\r\x1b[1A\x1b[2K\x1b[1B\x1b[2K\x1b[1Aother\n" + strings.Repeat("a", 18) + "…\nb")
	columns = 10 // the first line takes two rows now
	s.Live([]string{"c"})
	said("\r\x1b[2A\x1b[2K\x1b[1B\x1b[2K\x1b[1B\x1b[2K\x1b[2Ac")
	columns = 100
	s.Live(nil)
	said("\r\x1b[2K")
	s.Write([]byte("end\n"))
	said("end\n")
	s.Aside(func() { out.WriteString("other\n") })
	said("other\n")
	height = 3
	s.Live([]string{"1", "2", "3", "4"})
	said("\r\x1b[2K1\n2")
	s.Keep()
	said("\n")
}

// TestEverySize: at no width does a line wrap, whatever is in it.
func TestEverySize(t *testing.T) {
	for columns := 1; columns < 100; columns++ {
		height := 5
		s, out := on(&columns, &height)
		s.Live([]string{"名前 is wide, e\u0301 is not " + strings.Repeat("名", 50), strings.Repeat("x", 99)})
		for line := range strings.SplitSeq(strings.TrimPrefix(out.String(), "\r\x1b[2K"), "\n") {
			if text.Width(line) >= max(columns, 2) {
				t.Errorf("%q takes %d of %d columns", line, text.Width(line), columns)
			}
		}
	}
}

// TestNoTerminal: nothing live is written where nobody could take it back.
func TestNoTerminal(t *testing.T) {
	var out bytes.Buffer
	s := New(&out)
	s.Live([]string{"x"})
	s.Keep()
	s.Write([]byte("log\n"))
	if s.Terminal() || s.Columns() != 80 || out.String() != "log\n" {
		t.Errorf("%v, %d columns, %q", s.Terminal(), s.Columns(), out.String())
	}
}
