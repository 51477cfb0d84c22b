package main

import (
	"fmt"
	"io"

	"github.com/motefs/motefs/cmd/motefs/internal/text"
)

// Everything that is printed goes through this file and package text, which escapes what a
// terminal obeys. The colours of the log and the live line are added behind it.

func printable(s string) string { return text.Printable(s) }
func oneLine(s string) string   { return text.OneLine(s) }

// printLine prints one line, whatever its operands hold.
func printLine(w io.Writer, format string, args ...any) {
	fmt.Fprintln(w, oneLine(fmt.Sprintf(format, args...)))
}

// plainWriter passes on what is printable, and escapes the rest. Each Write is of
// whole characters.
type plainWriter struct{ w io.Writer }

func (p plainWriter) Write(b []byte) (int, error) {
	if _, err := io.WriteString(p.w, printable(string(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}
