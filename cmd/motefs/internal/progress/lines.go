package progress

import (
	"strings"
	"time"

	"github.com/motefs/motefs/cmd/motefs/internal/status"
	"github.com/motefs/motefs/cmd/motefs/internal/text"
)

// Lines are the live lines for a status, none of them wider than so many columns.
func Lines(s *status.Status, columns int) []string {
	var lines []string
	switch {
	case s.Refresh != nil && s.State == status.Refreshing:
		lines = append(lines, refreshLine(s, columns))
	case !s.ListingComplete:
		lines = append(lines, listingLine(s, columns))
	}
	if s.Prefetch && s.State != status.Refreshing {
		lines = append(lines, fetchingLine(s, columns))
	}
	if trouble := trouble(s); trouble != "" {
		lines = append(lines, text.Cut(text.OneLine(trouble), columns))
	}
	return lines
}

// trouble is what keeps it from going on, if anything does.
func trouble(s *status.Status) string {
	switch {
	case s.State == status.NoRoom:
		return "waiting for room on the disk of the store"
	case s.State == status.NoOrigin && s.LastError != nil:
		return "waiting for the origin: " + *s.LastError
	case s.State == status.NoOrigin:
		return "waiting for the origin"
	case s.ThrottledUntil != nil:
		return "the origin asks to be left alone for " + text.Span(s.ThrottledUntil.Sub(s.Time))
	}
	return ""
}

// listingLine is that of a listing of which the end is not known.
func listingLine(s *status.Status, columns int) string {
	return fit(columns, bar{unknown: true, at: s.Time, none: columns < narrow},
		part{9, []string{"listing "}},
		part{8, []string{text.Count(s.Listed) + " names", text.Count(s.Listed), text.Short(s.Listed)}},
		part{3, rate(s.NamesPerSecond, "/s")},
	)
}

func fetchingLine(s *status.Status, columns int) string {
	parts := []part{{1, []string{"fetching"}}}
	b := bar{done: s.Fetched + s.Gone + s.Failed, all: s.Listed}
	if s.ListingComplete {
		parts = append(parts,
			part{9, []string{text.Percent(b.done, b.all)}},
			part{5, []string{text.Count(s.Fetched) + " of " + text.Count(s.Listed), text.Short(s.Fetched) + "/" + text.Short(s.Listed)}})
	} else {
		b = bar{none: true}
		parts[0].weight = 7
		parts = append(parts, part{8, []string{text.Count(s.Fetched) + " files", text.Count(s.Fetched), text.Short(s.Fetched)}})
	}
	if s.Failed > 0 {
		parts = append(parts, part{6, []string{text.Count(s.Failed) + " failed", text.Short(s.Failed) + " failed"}})
	}
	parts = append(parts, part{4, rate(s.FilesPerSecond, "/s")})
	if s.BytesPerSecond != nil {
		parts = append(parts, part{2, []string{text.Bytes(float64(*s.BytesPerSecond)) + "/s"}})
	}
	if s.SecondsRemaining != nil && b.done < b.all {
		left := text.Seconds(*s.SecondsRemaining)
		parts = append(parts, part{8, []string{left + " left", left}})
	}
	return fit(columns, b, parts...)
}

// refreshLine is that of a refresh, which first lists again what was listed before, and
// then compares, where it was asked to.
func refreshLine(s *status.Status, columns int) string {
	r, all := s.Refresh, s.Listed-min(s.Listed, s.Gone)
	what, done := "listing ", r.Listed
	if r.Compared > 0 {
		what, done = "comparing", r.Compared
	}
	parts := []part{
		{1, []string{what}},
		{9, []string{text.Percent(done, max(all, done+1))}},
		{5, []string{text.Count(done) + " of about " + text.Count(all), text.Short(done) + "/" + text.Short(all)}},
		{6, changes(r)},
		{2, rate(r.PerSecond, "/s")},
	}
	if r.PerSecond != nil && *r.PerSecond > 0 && done < all {
		left := text.Seconds((all - done) / *r.PerSecond)
		parts = append(parts, part{8, []string{left + " left", left}})
	}
	return fit(columns, bar{done: done, all: all}, parts...)
}

// changes are what a refresh has found so far that is not as it was.
func changes(r *status.Refreshed) []string {
	var long, short []string
	for _, c := range []struct {
		n    uint64
		what string
		sign string
	}{{r.New, "new", "+"}, {r.Changed, "changed", "~"}, {r.Removed, "removed", "-"}} {
		if c.n > 0 {
			long = append(long, text.Count(c.n)+" "+c.what)
			short = append(short, c.sign+text.Short(c.n))
		}
	}
	if long == nil {
		return []string{"no change"}
	}
	return []string{strings.Join(long, ", "), strings.Join(short, " ")}
}

func rate(n *uint64, unit string) []string {
	if n == nil {
		return nil
	}
	return []string{text.Count(*n) + unit, text.Short(*n) + unit}
}

// part is a piece of a line: its forms, the longest first, and how much it is worth. What is
// worth least is shortened first, and then left out.
type part struct {
	weight int
	forms  []string
}

// bar is a part as long as there is room.
type bar struct {
	done, all uint64
	unknown   bool      // how much there is: something moves
	at        time.Time // by which it does
	none      bool
}

// The columns of a bar: it gets minBar before anything is shown with it in a terminal that is
// narrow, and enoughBar in one that is not.
const minBar, enoughBar, maxBar = 6, 14, 32

// narrow is the width from which on there is room for a bar of which the end is not known.
const narrow = 40

// fit makes a line of parts, with the bar behind the first.
func fit(columns int, b bar, parts ...part) string {
	form := make([]int, len(parts)) // which one of each is shown
	words := func() (words []string, width int) {
		for i, p := range parts {
			if form[i] < len(p.forms) {
				words = append(words, p.forms[form[i]])
				width += 2 + text.Width(p.forms[form[i]])
			} else {
				words = append(words, "")
			}
		}
		return words, max(width-2, 0)
	}
	room := columns
	if !b.none {
		room -= minBar + 2
		if columns >= narrow {
			room -= enoughBar - minBar
		}
	}
	all, width := words()
	for width > room {
		least := -1
		for i, p := range parts {
			if form[i] < len(p.forms) && (least < 0 || p.weight < parts[least].weight) {
				least = i
			}
		}
		if least < 0 {
			break
		}
		form[least]++
		all, width = words()
	}
	var line []string
	for i, word := range all {
		if word != "" {
			line = append(line, word)
		}
		if i == 0 && !b.none {
			line = append(line, b.draw(min(columns-width-2, maxBar)))
		}
	}
	return text.Cut(strings.Join(line, "  "), columns)
}

// draw is a bar of so many columns.
func (b bar) draw(columns int) string {
	inner := max(columns-2, 1)
	if b.unknown {
		const moving = 3
		if inner <= moving {
			return "[" + strings.Repeat("-", inner) + "]"
		}
		steps := inner - moving
		at := int(uint64(b.at.UnixMilli()/barEvery.Milliseconds()) % uint64(2*steps))
		if at > steps {
			at = 2*steps - at
		}
		return "[" + strings.Repeat("-", at) + strings.Repeat("#", moving) + strings.Repeat("-", steps-at) + "]"
	}
	full := inner
	if b.done < b.all {
		full = int(float64(inner) * float64(b.done) / float64(b.all))
	}
	return "[" + strings.Repeat("#", full) + strings.Repeat("-", inner-full) + "]"
}
