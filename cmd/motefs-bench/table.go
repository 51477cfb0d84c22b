package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// report is the table with what one has to know to read it, in Markdown.
func report(machine string, versions []string, rows []*row) string {
	var b strings.Builder
	runs := 0
	for _, r := range rows {
		runs = max(runs, len(r.samples))
	}
	fmt.Fprintf(&b, "%s. `make bench`, %s.\n", machine, runsText(runs))
	if len(versions) > 0 {
		fmt.Fprintf(&b, "%s.\n", strings.Join(versions, ", "))
	}
	b.WriteString("\n| origin | contender | keeps | files | files/s | CPU µs a file | memory | of the ceiling |\n" +
		"|---|---|---|--:|--:|--:|--:|--:|\n")
	for _, r := range rows {
		b.WriteString(r.markdown(ceilingRate(rows, r)))
	}
	fmt.Fprintf(&b, `
The origin shares the cores with the contender. Time is the whole process's, its start included; CPU is the contender's
alone; memory is the peak of its largest single process. The ceiling is %q for nginx (stock settings) and
%q, %d deep, for motefs serve, the same files asked for again and again over %d connections. The download
programs have %d transfers at a time and are given the names; the talk's approaches and motefs follow the listing.
`, keepAlive, pipelined, pipelineDepth, ceilingConnections, transfers)
	return b.String()
}

func runsText(runs int) string {
	if runs <= 1 {
		return "one run"
	}
	return fmt.Sprintf("medians of %d runs (least – most)", runs)
}

// ceilingRate is the median rate of the row's ceiling, 0 where it was not measured.
func ceilingRate(rows []*row, of *row) float64 {
	for _, r := range rows {
		if r.origin.name == of.origin.name && r.name == of.origin.ceiling {
			return median(r.each(sample.rate))
		}
	}
	return 0
}

// each is one figure of every sample.
func (r *row) each(figure func(sample) float64) []float64 {
	values := make([]float64, len(r.samples))
	for i, s := range r.samples {
		values[i] = figure(s)
	}
	return values
}

// markdown is the row's line of the table.
func (r *row) markdown(ceiling float64) string {
	if len(r.samples) == 0 {
		note := strings.ReplaceAll(r.note, "|", `\|`)
		return fmt.Sprintf("| %s | %s | %s | | %s | | | |\n", r.origin.name, r.name, r.stored, note)
	}
	rates := r.each(sample.rate)
	cpu := r.each(func(s sample) float64 { return float64(s.cpuPerFile()) / 1000 })
	peak := slices.Max(r.each(func(s sample) float64 { return float64(s.Peak) }))
	ratio := "–"
	if ceiling > 0 {
		ratio = significant(median(rates)/ceiling, 2)
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s MB | %s |\n", r.origin.name, r.name, r.stored,
		thousands(strconv.FormatInt(r.samples[0].files, 10)), spread(rates, 3), spread(cpu, 2), significant(peak/1e6, 3), ratio)
}

// spread is the median and, of several values, the least and the most.
func spread(values []float64, digits int) string {
	text := significant(median(values), digits)
	if len(values) > 1 {
		text += fmt.Sprintf(" (%s – %s)", significant(slices.Min(values), digits), significant(slices.Max(values), digits))
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
	text := strconv.FormatFloat(x, 'f', places, 64)
	whole, fraction, _ := strings.Cut(text, ".")
	if fraction != "" {
		return thousands(whole) + "." + fraction
	}
	return thousands(whole)
}

// thousands sets the thousands of a whole number apart.
func thousands(digits string) string {
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
