package status

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/motefs/motefs/cmd/motefs/internal/text"
)

const (
	// labels is how wide the column of labels is, and narrow the width from which on a label
	// stands on the same line as what it labels, in columns.
	labels, narrow = 10, 40
	// reasonsShown is how many reasons are shown, those of most files.
	reasonsShown = 5
)

// Lines are the status for people, in so many columns, of which none is left out.
func (s *Status) Lines(columns int) []string {
	lines := text.Wrap([]string{text.OneLine(s.Origin), s.words()}, columns)
	for _, row := range s.rows() {
		words := make([]string, 0, len(row.words))
		for _, word := range row.words {
			words = append(words, text.OneLine(word))
		}
		switch {
		case len(words) == 0:
		case columns < narrow:
			words[0] = row.label + " " + words[0]
			for i, line := range text.Wrap(words, columns-1) {
				lines = append(lines, strings.Repeat(" ", min(i, 1))+line)
			}
		default:
			label := "  " + row.label
			for _, line := range text.Wrap(words, columns-labels-2) {
				lines = append(lines, fmt.Sprintf("%-*s%s", labels+2, label, line))
				label = ""
			}
		}
	}
	return lines
}

// row is one line of a status with its label.
type row struct {
	label string
	words []string
}

// words say the state, and for how long.
func (s *Status) words() string {
	state := strings.ReplaceAll(text.OneLine(string(s.State)), "_", " ")
	switch s.State {
	case Serving:
		state = "serving, every name is listed"
	case Ended:
		state = "complete but for files that failed"
	case Complete:
		if s.Command == nil {
			state = "complete, at rest"
		}
	case InUse:
		state = "in use, by one that does not say what it does"
		if s.Holder != nil && *s.Holder != "" {
			state = "in use by " + text.OneLine(*s.Holder)
		}
		return state
	case Stopped:
		state = "not complete, at rest"
	}
	if s.Command == nil {
		return state
	}
	state += " (" + text.OneLine(*s.Command)
	if s.PID != nil {
		state += fmt.Sprintf(", process %d", *s.PID)
	}
	if s.SecondsElapsed != nil {
		state += ", for " + text.Seconds(*s.SecondsElapsed)
	}
	return state + ")"
}

// HolderText says who holds the store.
func (s *Status) HolderText() string {
	switch {
	case s.PID != nil && s.Command != nil:
		return fmt.Sprintf("motefs %s, process %d", text.OneLine(*s.Command), *s.PID)
	case s.PID != nil:
		return fmt.Sprintf("motefs, process %d", *s.PID)
	case s.Holder != nil && *s.Holder != "":
		return text.OneLine(*s.Holder)
	}
	return "another process"
}

func (s *Status) rows() []row {
	listed := []string{text.Count(s.Listed)}
	if !s.ListingComplete {
		listed = append(listed, "the listing is not complete")
	} else if s.ListedAt != nil {
		listed = append(listed, "on "+s.ListedAt.Local().Format("2006-01-02 15:04"))
	}
	if s.Skipped > 0 {
		listed = append(listed, text.Count(s.Skipped)+" names left out")
	}
	fetched := []string{text.Count(s.Fetched), text.Bytes(float64(s.ContentBytes))}
	if s.ListingComplete && s.Listed > 0 {
		fetched = append(fetched, text.Percent(s.Fetched+s.Gone, s.Listed))
	}
	rows := []row{{"listed", listed}, {"fetched", fetched}}
	if s.Failed > 0 {
		rows = append(rows, row{"failed", append([]string{text.Count(s.Failed)}, s.reasons()...)})
	}
	if s.Gone > 0 {
		rows = append(rows, row{"gone", []string{text.Count(s.Gone)}})
	}
	if r := s.Refresh; r != nil {
		rows = append(rows, row{"refresh", []string{
			text.Count(r.Listed) + " listed", text.Count(r.Compared) + " compared",
			text.Count(r.New) + " new", text.Count(r.Changed) + " changed", text.Count(r.Removed) + " removed",
		}})
	}
	rows = append(rows, row{"rate", s.rateWords()}, row{"left", s.leftWords()}, row{"origin", s.originWords()}, row{"error", s.errorWords()})
	if s.Mountpoint != nil {
		rows = append(rows, row{"mount", []string{*s.Mountpoint}})
		if m := s.Mount; m != nil {
			rows = append(rows, row{"", []string{
				text.Count(uint64(m.Lookups)) + " lookups", text.Count(uint64(m.Reads)) + " reads", text.Bytes(float64(m.ReadBytes)),
				text.Count(uint64(m.Misses)) + " misses", text.Count(uint64(m.Errors)) + " errors",
			}})
		}
	}
	return append(rows, row{"store", s.storeWords()})
}

// reasons are why files failed, with the most frequent first.
func (s *Status) reasons() []string {
	names := slices.SortedFunc(maps.Keys(s.FailedByReason), func(a, b string) int {
		if x, y := s.FailedByReason[a], s.FailedByReason[b]; x != y {
			return int(min(max(int64(y)-int64(x), -1), 1))
		}
		return strings.Compare(a, b)
	})
	words, others := make([]string, 0, reasonsShown+1), uint64(0)
	for i, name := range names {
		if i >= reasonsShown {
			others += s.FailedByReason[name]
			continue
		}
		words = append(words, name+": "+text.Count(s.FailedByReason[name]))
	}
	if others > 0 {
		words = append(words, "others: "+text.Count(others))
	}
	return words
}

// FailedText is why files failed, with the most frequent reason first.
func (s *Status) FailedText() string { return strings.Join(s.reasons(), ", ") }

func (s *Status) rateWords() []string {
	if s.State != Mirroring && s.State != Listing && s.State != Serving || s.FilesPerSecond == nil {
		return nil
	}
	words := []string{text.Count(*s.FilesPerSecond) + " files/s"}
	if s.BytesPerSecond != nil {
		words = append(words, text.Bytes(float64(*s.BytesPerSecond))+"/s")
	}
	if !s.ListingComplete && s.NamesPerSecond != nil && *s.NamesPerSecond != *s.FilesPerSecond {
		words = append(words, text.Count(*s.NamesPerSecond)+" names/s")
	}
	return words
}

func (s *Status) leftWords() []string {
	if s.SecondsRemaining == nil || s.Pending == 0 {
		return nil
	}
	return []string{text.Count(s.Pending) + " files", "about " + text.Seconds(*s.SecondsRemaining)}
}

func (s *Status) originWords() []string {
	if s.OriginUp == nil {
		return nil
	}
	words := []string{"up"}
	if !*s.OriginUp {
		words[0] = "gives nothing"
	}
	if s.Connections != nil {
		words = append(words, connections(*s.Connections))
	}
	switch {
	case s.ThrottledUntil != nil:
		words = append(words, "asked to be left alone until "+s.ThrottledUntil.Local().Format(time.TimeOnly))
	case s.Slowed:
		words = append(words, "asked to be asked slower")
	}
	return words
}

func connections(n uint64) string {
	if n == 1 {
		return "1 connection"
	}
	return text.Count(n) + " connections"
}

func (s *Status) errorWords() []string {
	if s.LastError == nil {
		return nil
	}
	words := []string{*s.LastError}
	if s.LastErrorAt != nil {
		words = append(words, "("+text.Span(s.Time.Sub(*s.LastErrorAt))+" ago)")
	}
	return words
}

func (s *Status) storeWords() []string {
	words := []string{s.Store}
	if s.DiskBytes != nil {
		words = append(words, "takes "+text.Bytes(float64(*s.DiskBytes)))
	}
	if s.DiskFreeBytes != nil {
		words = append(words, text.Bytes(float64(*s.DiskFreeBytes))+" free")
	}
	return words
}
