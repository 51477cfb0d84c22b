// Package screen is a terminal on which the log scrolls by above a few live lines; or, where
// there is none, just somewhere to write to.
//
// Live lines are never longer than the terminal is wide, so that they do not wrap. When the
// window gets narrower they do, as terminals lay out anew what they show; so the lines that
// are taken back are counted by the width of now, and not of when they were written.
package screen

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/motefs/motefs/cmd/motefs/internal/text"
	"golang.org/x/term"
)

// Where the terminal does not say how large it is.
const defaultColumns, defaultLines = 80, 24

// Screen is where the log and live lines go. Its methods may be called from any goroutine.
type Screen struct {
	w    io.Writer
	size func() (columns, lines int) // nil: no terminal

	mu struct {
		sync.Mutex
		live []string
	}
}

// New returns a screen on w.
func New(w io.Writer) *Screen {
	s := &Screen{w: w}
	if f, ok := w.(interface{ Fd() uintptr }); ok && term.IsTerminal(int(f.Fd())) {
		s.size = func() (int, int) {
			columns, lines, err := term.GetSize(int(f.Fd()))
			if err != nil || columns < 1 || lines < 1 {
				return defaultColumns, defaultLines
			}
			return columns, lines
		}
	}
	return s
}

// Terminal reports whether it is one.
func (s *Screen) Terminal() bool { return s.size != nil }

// Columns is how wide it is.
func (s *Screen) Columns() int {
	if s.size == nil {
		return defaultColumns
	}
	columns, _ := s.size()
	return columns
}

// Write prints whole lines; the live lines stay below them.
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mu.live) == 0 {
		return s.w.Write(p)
	}
	erase := s.eraseLocked()
	if _, err := io.WriteString(s.w, erase+string(p)+s.drawLocked(s.mu.live)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Aside has fn write whole lines to the terminal by another way, as to standard output; the live lines stay
// below them.
func (s *Screen) Aside(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mu.live) == 0 {
		fn()
		return
	}
	fmt.Fprint(s.w, s.eraseLocked())
	fn()
	fmt.Fprint(s.w, s.drawLocked(s.mu.live))
}

// Live replaces the live lines; none takes them away. They are printable, and are cut to
// what the terminal shows. Where there is none nothing is written.
func (s *Screen) Live(lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.size == nil || len(lines) == 0 && len(s.mu.live) == 0 {
		return
	}
	erase := s.eraseLocked()
	fmt.Fprint(s.w, erase+s.drawLocked(lines))
}

// Keep leaves the live lines where they stand, and has what follows stand below them.
func (s *Screen) Keep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mu.live) > 0 {
		fmt.Fprint(s.w, "\n")
		s.mu.live = nil
	}
}

// eraseLocked takes the live lines away, row by row: where everything from the top down is
// erased at once, tmux moves it into its history, four times a second. The cursor is behind
// the last row before, and at the beginning of the first afterwards.
func (s *Screen) eraseLocked() string {
	columns, height := s.size()
	rows := 0
	for _, line := range s.mu.live {
		rows += max(1, (text.Width(line)+columns-1)/columns)
	}
	const eraseRow, down = "\x1b[2K", "\x1b[1B"
	if rows = min(rows, height); rows <= 1 {
		return "\r" + eraseRow
	}
	up := fmt.Sprintf("\x1b[%dA", rows-1)
	return "\r" + up + strings.Repeat(eraseRow+down, rows-1) + eraseRow + up
}

// drawLocked is what shows the lines, without a newline at the end.
func (s *Screen) drawLocked(lines []string) string {
	columns, height := s.size()
	lines = lines[:min(len(lines), max(height-1, 1))]
	s.mu.live = make([]string, 0, len(lines))
	for _, line := range lines {
		s.mu.live = append(s.mu.live, text.Cut(line, columns-1))
	}
	return strings.Join(s.mu.live, "\n")
}
