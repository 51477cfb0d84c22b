package cache

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What BenchmarkSettings does; see `make bench-store`.
var (
	settingsFiles  = flag.Int("settings.files", 0, "BenchmarkSettings: number of files; 0: leave it out")
	settingsReads  = flag.Int("settings.reads", 200_000, "BenchmarkSettings: random reads, of different files")
	settingsRepeat = flag.Int("settings.repeat", 3, "BenchmarkSettings: runs of each row")
	settingsDir    = flag.String("settings.dir", os.TempDir(), "BenchmarkSettings: where the stores are made")
	settingsOnly   = flag.String("settings.only", "", "BenchmarkSettings: regular expression for the rows")
	// The benchmark starts itself with these two for one cell of its table.
	settingsRow   = flag.String("settings.row", "", "for internal use")
	settingsStore = flag.String("settings.store", "", "for internal use")
)

// orders are the orders of the listing, in columns from left to right.
var orders = []string{"in order", "shuffled"}

// BenchmarkSettings prints a table of what each of the database's settings
// costs: every row changes one of those that the store has. Each run is a
// process of its own, with a new store that is removed after it.
func BenchmarkSettings(b *testing.B) {
	if *settingsFiles <= 0 {
		b.Skip("make bench-store")
	}
	if *settingsRow != "" {
		runSettingsRow(b)
		return
	}
	only, err := regexp.Compile(*settingsOnly)
	if err != nil {
		b.Fatal(err)
	}
	rows, have := splitSettings()
	rows = slices.DeleteFunc(rows, func(s setting) bool { return !only.MatchString(s.name) })
	// The first ^C ends the run under way and prints the table so far.
	ctx, stop := signal.NotifyContext(b.Context(), os.Interrupt)
	defer stop()
	t := settingsTable{}
	start := time.Now()
	for turn := range *settingsRepeat {
		for _, name := range t.turn(rows, turn) {
			for _, order := range orders {
				c, err := startSettingsRow(ctx, name, order)
				if ctx.Err() != nil {
					b.Error(context.Cause(ctx))
					t.print(rows, have)
					return
				}
				if err != nil {
					b.Errorf("%s, %s: %v", name, order, err)
					continue
				}
				t[cell{name, order}] = append(t[cell{name, order}], c)
				fmt.Fprintf(os.Stderr, "%v\t%d/%d\t%s, %s\t%s\n", time.Since(start).Round(time.Second),
					turn+1, *settingsRepeat, name, order, strings.Join(c.format(), "\t"))
			}
		}
	}
	t.print(rows, have)
	b.ReportMetric(0, "ns/op") // it is the table that says something
}

// startSettingsRow measures one cell in a process of its own.
func startSettingsRow(ctx context.Context, row, order string) (c cost, err error) {
	dir, err := os.MkdirTemp(*settingsDir, "motefs-settings-")
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	self, err := os.Executable()
	if err != nil {
		return c, err
	}
	cmd := exec.CommandContext(ctx, self, "-test.run=^$", "-test.bench=^BenchmarkSettings$", "-test.benchtime=1x",
		"-settings.files="+strconv.Itoa(*settingsFiles), "-settings.reads="+strconv.Itoa(*settingsReads),
		"-settings.row="+row+", "+order, "-settings.store="+filepath.Join(dir, "store"))
	var printed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &printed
	r, w, err := os.Pipe()
	if err != nil {
		return c, err
	}
	defer r.Close()
	cmd.ExtraFiles = []*os.File{w}
	err = cmd.Run()
	w.Close()
	if err != nil {
		return c, fmt.Errorf("%w:\n%s", err, printed.Bytes())
	}
	return c, json.NewDecoder(r).Decode(&c)
}

// runSettingsRow is the process of one cell. What it took goes to file
// descriptor 3.
func runSettingsRow(b *testing.B) {
	for _, s := range settings() {
		for _, order := range orders {
			if *settingsRow != s.name+", "+order {
				continue
			}
			o := Options{Dir: *settingsStore, Origin: testOrigin, tune: s.tune}
			c, err := measureStore(o, uint64(*settingsFiles), *settingsReads, order == "shuffled")
			if err == nil {
				err = json.NewEncoder(os.NewFile(3, "result")).Encode(c)
			}
			if err != nil {
				b.Fatal(err)
			}
			return
		}
	}
	b.Fatalf("no row %q", *settingsRow)
}

// cost is what one run took.
type cost struct {
	Wall, CPU time.Duration // until the store is closed
	Disk      int64         // bytes
	Peak      int64         // bytes of memory, until the store is closed
	Read      time.Duration // all reads
	Files     int
	Reads     int
}

// columns are the numbers of a run, for each order.
var columns = []struct {
	title  string
	digits int
	value  func(*cost) float64
}{
	{"files/s", 0, func(c *cost) float64 { return round3(float64(c.Files) / c.Wall.Seconds()) }},
	{"CPU µs a file", 2, func(c *cost) float64 { return float64(c.CPU.Microseconds()) / float64(c.Files) }},
	{"disk bytes a file", 1, func(c *cost) float64 { return float64(c.Disk) / float64(c.Files) }},
	{"random read µs", 1, func(c *cost) float64 { return float64(c.Read.Nanoseconds()) / 1e3 / float64(max(c.Reads, 1)) }},
	{"peak RSS MB", 0, func(c *cost) float64 { return float64(c.Peak) / 1e6 }},
}

// round3 rounds to three digits.
func round3(v float64) float64 {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64)
	if err != nil {
		return v
	}
	return rounded
}

func (c cost) format() []string {
	var s []string
	for _, col := range columns {
		s = append(s, fmt.Sprintf("%.*f %s", col.digits, col.value(&c), col.title))
	}
	return s
}

type cell struct{ row, order string }

type settingsTable map[cell][]cost

// turn names the rows, every other time backwards, so that what changes slowly
// beside the benchmark does not always meet the same of them.
func (t settingsTable) turn(rows []setting, turn int) []string {
	var names []string
	for _, s := range rows {
		names = append(names, s.name)
	}
	if turn%2 == 1 {
		slices.Reverse(names)
	}
	return names
}

func (t settingsTable) print(rows []setting, have []string) {
	w := os.Stdout
	fmt.Fprintf(w, "\n\n%d files, pages of %d names, bodies of %d random bytes; %d random reads. Median of %d (lowest – highest).\n",
		*settingsFiles, settingsPage, settingsBody, min(*settingsReads, *settingsFiles), *settingsRepeat)
	fmt.Fprintf(w, "%q is %s; each other row changes that one setting.\n\n", chosen, strings.Join(have, ", "))
	fmt.Fprint(w, "| |")
	for _, order := range orders {
		for i, col := range columns {
			if i == 0 {
				fmt.Fprintf(w, " %s:", order)
			}
			fmt.Fprintf(w, " %s |", col.title)
		}
	}
	fmt.Fprintf(w, "\n|---|%s\n", strings.Repeat("--:|", len(orders)*len(columns)))
	for _, s := range rows {
		fmt.Fprintf(w, "| %s |", s.name)
		for _, order := range orders {
			for _, col := range columns {
				fmt.Fprintf(w, " %s |", spread(t[cell{s.name, order}], col.digits, col.value))
			}
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
}

// spread is the median of the runs, with the lowest and highest of them.
func spread(runs []cost, digits int, value func(*cost) float64) string {
	if len(runs) == 0 {
		return "–"
	}
	vs := make([]float64, len(runs))
	for i := range runs {
		vs[i] = value(&runs[i])
	}
	slices.SortFunc(vs, cmp.Compare)
	text := func(v float64) string { return strconv.FormatFloat(v, 'f', digits, 64) }
	median := text((vs[(len(vs)-1)/2] + vs[len(vs)/2]) / 2)
	if low, high := text(vs[0]), text(vs[len(vs)-1]); low != high {
		return fmt.Sprintf("%s (%s – %s)", median, low, high)
	}
	return median
}
