package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// table is the rows of a benchmark, and what one has to know to read them.
type table struct {
	command string // of make
	columns []string
	words   int // how many of them hold words, the others figures
	rows    []*row
	notes   string
}

// line is a line of a row.
type line struct {
	label string // instead of the row's first word; "": that
	cells []cell
}

// cell writes a figure of all runs.
type cell func(samples [][]float64) string

// report is the table in Markdown.
func (t *table) report(machine string) string {
	var text strings.Builder
	runs, said := 0, "one run"
	for _, r := range t.rows {
		runs = max(runs, len(r.samples))
	}
	if runs > 1 {
		said = fmt.Sprintf("medians of %d runs (least – most)", runs)
	}
	fmt.Fprintf(&text, "%s. `make %s`, %s.\n", machine, t.command, said)
	if versions := versionTexts(t.rows); len(versions) > 0 {
		fmt.Fprintf(&text, "%s.\n", strings.Join(versions, ", "))
	}
	text.WriteByte('\n')
	writeLine(&text, t.columns)
	fmt.Fprintf(&text, "|%s%s\n", strings.Repeat("---|", t.words), strings.Repeat("--:|", len(t.columns)-t.words))
	for _, r := range t.rows {
		r.write(&text, len(t.columns))
	}
	return text.String() + "\n" + t.notes
}

// write writes the row's lines, of so many columns.
func (r *row) write(text *strings.Builder, columns int) {
	if len(r.samples) == 0 {
		cells := append(slices.Clone(r.left), strings.ReplaceAll(r.note, "|", `\|`))
		writeLine(text, append(cells, make([]string, columns-len(cells))...))
		return
	}
	for _, l := range r.lines {
		cells := slices.Clone(r.left)
		if l.label != "" {
			cells[0] = l.label
		}
		for _, c := range l.cells {
			cells = append(cells, c(r.samples))
		}
		writeLine(text, cells)
	}
}

func writeLine(text *strings.Builder, cells []string) {
	fmt.Fprintf(text, "| %s |\n", strings.Join(cells, " | "))
}

// each is one figure of each run.
func each(samples [][]float64, which int) []float64 {
	var values []float64
	for _, s := range samples {
		values = append(values, s[which])
	}
	return values
}

// figure is a cell of one figure, so many digits of it in some unit.
func figure(which, digits int, unit float64, name string) cell {
	return func(samples [][]float64) string { return spread(each(samples, which), digits, unit) + name }
}

func none([][]float64) string { return "–" }

// spread is the median and, of several values, the least and the most.
func spread(values []float64, digits int, unit float64) string {
	text := significant(median(values)/unit, digits)
	if len(values) > 1 {
		text += fmt.Sprintf(" (%s – %s)", significant(slices.Min(values)/unit, digits), significant(slices.Max(values)/unit, digits))
	}
	return text
}

// median is 0 of nothing, and the mean of the middle two of an even number.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// significant writes a number with so many significant digits, the thousands
// apart.
func significant(x float64, digits int) string {
	if x == 0 || math.IsNaN(x) || math.IsInf(x, 0) {
		return "0"
	}
	places := digits - 1 - int(math.Floor(math.Log10(math.Abs(x))))
	if places < 0 {
		unit := math.Pow10(-places)
		x, places = math.Round(x/unit)*unit, 0
	}
	whole, fraction, found := strings.Cut(strconv.FormatFloat(x, 'f', places, 64), ".")
	if found {
		fraction = "." + fraction
	}
	return thousands(whole) + fraction
}

// thousands sets the thousands of a whole number apart.
func thousands(digits string) string {
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
