package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// report is the table with what one has to know to read it, in Markdown.
func (b *mountBench) report(machine string, rows []*mountRow) string {
	var text strings.Builder
	runs := 0
	for _, r := range rows {
		runs = max(runs, len(r.samples))
	}
	fmt.Fprintf(&text, "%s. `make bench-mount`, %s.\n", machine, runsText(runs))
	if versions := mountVersions(rows); len(versions) > 0 {
		fmt.Fprintf(&text, "%s.\n", strings.Join(versions, ", "))
	}
	text.WriteString("\n| measure | filesystem | files | first time | again |\n|---|---|--:|--:|--:|\n")
	for _, r := range rows {
		text.WriteString(r.markdown())
	}
	fmt.Fprintf(&text, `
%q is of random files, each once, by %d threads: the time is wall-clock time a file and thread (wall × %[2]d ÷ files, so
what one open, read and close takes a thread), in parentheses all threads' files a second. "First time" is on a fresh mount,
"again" right after it by the same process. getdents64 is entries a second of raw calls with a buffer of 1 MiB and no stat;
the other times are those of the whole command. "Ready" is from the start of the process to its line "serving". Memory is
the serving process's resident set; "again" is after another find and the same reads.
`, whatReads, readThreads)
	text.WriteString(b.cachesText())
	if slices.ContainsFunc(rows, func(r *mountRow) bool { return r.on.reached }) {
		text.WriteString("rclone and httpdirfs fetch from an nginx on this machine at the first time, and list the directory with it.\n")
	}
	return text.String()
}

// cachesText says what was in memory at the first time.
func (b *mountBench) cachesText() string {
	if !b.dropCaches {
		return "The page cache was not dropped: at the first time, stores and files on disk were in memory as well.\n"
	}
	if b.store != "" {
		return "Before the first time of \"store on disk\" and of \"ready\", the page cache was dropped; the other rows have the store\nin memory as far as the rows before them left it there.\n"
	}
	return "Before the first time of the disk's own filesystem, of \"store on disk\", of \"ready\" and of sequential reads, the page\n" +
		"cache was dropped; \"motefs mount\" has its store in memory, and only the mount is new.\n"
}

// markdown is the row's lines of the table.
func (r *mountRow) markdown() string {
	count := r.set.files
	if r.reads > 0 && len(r.lines) == 1 {
		count = r.reads
	}
	files := thousands(strconv.FormatInt(count, 10))
	if len(r.lines) == 1 && count < r.set.files {
		files += " of " + thousands(strconv.FormatInt(r.set.files, 10))
	}
	if len(r.samples) == 0 {
		return fmt.Sprintf("| %s | %s | %s | %s | |\n", r.what, r.on.name, files, strings.ReplaceAll(r.note, "|", `\|`))
	}
	var text strings.Builder
	for _, l := range r.lines {
		label := l.label
		if label == "" {
			label = r.what
		}
		fmt.Fprintf(&text, "| %s | %s | %s | %s | %s |\n", label, r.on.name, files, r.cell(l, l.first), r.cell(l, l.again))
	}
	return text.String()
}

// cell is one figure of every sample.
func (r *mountRow) cell(l mountLine, which int) string {
	if which < 0 {
		return "–"
	}
	values := make([]float64, len(r.samples))
	for i, s := range r.samples {
		values[i] = s[which]
	}
	return l.format(values)
}

// The formats. Figures are in files, entries and bytes a second, in seconds and in
// bytes.

func perFile(rates []float64) string {
	micros := make([]float64, len(rates))
	for i, rate := range rates {
		micros[i] = readThreads * 1e6 / rate
	}
	return fmt.Sprintf("%s µs (%s/s)", spread(micros, 3), significant(median(rates), 3))
}

func rate(rates []float64) string { return spread(rates, 3) + "/s" }

func seconds(values []float64) string {
	if median(values) >= 1 {
		return spread(values, 3) + " s"
	}
	return spread(scaled(values, 1e3), 3) + " ms"
}

func megabytes(values []float64) string { return spread(scaled(values, 1e-6), 3) + " MB" }

func throughput(values []float64) string { return spread(scaled(values, 1e-6), 3) + " MB/s" }

func scaled(values []float64, by float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = v * by
	}
	return out
}

// mountVersions names the programs that gave the rows their figures.
func mountVersions(rows []*mountRow) []string {
	var texts []string
	for _, r := range rows {
		if len(r.samples) == 0 {
			continue
		}
		for _, p := range r.on.needs {
			if text := p.versionText(); text != "" && !slices.Contains(texts, text) {
				texts = append(texts, text)
			}
		}
	}
	return texts
}
