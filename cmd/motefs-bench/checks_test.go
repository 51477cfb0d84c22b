package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motefs/motefs/mirror/origin/serve"
)

func TestFigures(t *testing.T) {
	for _, c := range []struct {
		values []float64
		digits int
		want   string
	}{
		{nil, 3, "0"},
		{[]float64{1500}, 3, "1,500"},
		{[]float64{1500, 1200, 1300}, 3, "1,300 (1,200 – 1,500)"},
		{[]float64{4, 1, 3, 2}, 2, "2.5 (1.0 – 4.0)"},
		{[]float64{1_234_567}, 3, "1,230,000"},
		{[]float64{0.000451}, 2, "0.00045"},
	} {
		if got := spread(c.values, c.digits, 1); got != c.want {
			t.Errorf("spread(%v, %d) = %q, not %q", c.values, c.digits, got, c.want)
		}
	}
}

// TestReport checks that a row of which one run failed shows no figure.
func TestReport(t *testing.T) {
	b := &bench{}
	ceiling := &row{samples: [][]float64{{2_000_000, 2_000_000, 1, 9e6}}}
	from := &origin{name: "serve"}
	mirror := b.mirrorRow(contender{name: "motefs mirror", keeps: "a store"}, from, &ceiling)
	bad := b.mirrorRow(contender{name: "wget2", keeps: "a file each"}, from, &ceiling)
	missing := b.mirrorRow(contender{name: "curl -Z", keeps: "a file each"}, from, &ceiling)
	for _, rate := range []float64{500_000, 1_000_000, 250_000} {
		mirror.add([]float64{1_000_000, rate, 2, 103e6}, nil)
		bad.add([]float64{1_000_000, rate, 2, 103e6}, nil)
	}
	bad.add(nil, errors.New("3 of 5 files\narrived | badly"))
	_, err := program{"x", "no-such-program", "such-a-package", "-v"}.find()
	missing.add(nil, err)
	table := &table{command: "bench", columns: make([]string, 8), rows: []*row{mirror, bad, missing}, notes: "A note."}
	text := table.report("2 cores")
	for _, want := range []string{
		"2 cores. `make bench`, medians of 3 runs (least – most).\n",
		"| serve | motefs mirror | a store | 1,000,000 | 500,000 (250,000 – 1,000,000) | 2.0 (2.0 – 2.0) | 103 MB | 0.25 |\n",
		"| serve | wget2 | a file each | failed: 3 of 5 files arrived \\| badly |  |  |  |  |\n",
		"| serve | curl -Z | a file each | not installed: apt-get install such-a-package |  |  |  |  |\n",
		"\nA note.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if ceiling.samples = nil; !strings.Contains(table.report(""), "103 MB | – |") {
		t.Error("without a ceiling there is a ratio")
	}
}

func wantError(t *testing.T, err error, text string) {
	t.Helper()
	if text == "" && err != nil || text != "" && !strings.Contains(fmt.Sprint(err), text) {
		t.Errorf("%v, not %q", err, text)
	}
}

// TestChecks checks that the checks of what arrived bite.
func TestChecks(t *testing.T) {
	source := serve.NewSynthetic(serve.SyntheticOptions{Files: 10})
	j := &job{source: source, files: 3, out: t.TempDir()}
	for _, c := range []struct{ name, body, says string }{
		{source.Name(0), string(source.Body(0)), "of 3 files, 1 arrived"},
		{source.Name(1), string(source.Body(1)), "of 3 files, 2 arrived"},
		{source.Name(2), string(source.Body(2)), ""},
		{"more", "", "4 files are there, not 3"},
		{source.Name(1), "<html>", "other bytes"},
	} {
		if err := os.WriteFile(filepath.Join(j.out, c.name), []byte(c.body), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := checkFiles(t.Context(), j)
		wantError(t, err, c.says)
	}
	for _, c := range []struct{ printed, says string }{
		{`counted {"Requests": 7, "Micros": 3050000, "Failed": 0}`, ""},
		{`counted {"Requests": 7, "Micros": 3050000, "Failed": 1}`, "7 good answers, and 1 others"},
		{`counted {"Requests": 0, "Micros": 3050000, "Failed": 0}`, "0 good answers"},
		{"unable to connect to 127.0.0.1:8080 Connection refused\n", "no count"},
	} {
		j.printed = c.printed
		_, err := checkCounted(t.Context(), j)
		wantError(t, err, c.says)
	}
	for printed, says := range map[string]string{
		"store /s of http://h: 50,000 listed, 50,000 fetched (4.8 MiB), complete\nthe store is sound\n": "",
		"store /s of http://h: 50,000 listed, 49,999 fetched (4.8 MiB), every name is listed\n":         "complete",
		"store /s of http://h: 50,000 listed, 49,999 fetched (4.8 MiB), 1 gone, complete\n":             "complete",
		"store /s of http://h: 50,001 listed, 50,001 fetched (4.8 MiB), complete\n":                     "not find 50,000",
	} {
		wantError(t, checkVerified(printed, 50_000), says)
	}
}

// TestHelpers checks that the helpers read and list, and fail where a file, an entry
// or a byte is missing.
func TestHelpers(t *testing.T) {
	dir, names := t.TempDir(), filepath.Join(t.TempDir(), "names")
	source := serve.NewSynthetic(serve.SyntheticOptions{Files: 50})
	text := ""
	for i := range source.Len() {
		text += source.Name(i) + "\x00"
		if err := os.WriteFile(filepath.Join(dir, source.Name(i)), source.Body(i), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.WriteFile(names, []byte(text), 0o644), os.MkdirAll(filepath.Join(dir, "d", strings.Repeat("n", 255)), 0o755)); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{self: self, tmp: t.TempDir()}
	list := func(want int64, says string) {
		t.Helper()
		p, err := b.help(t.Context(), playLister, &lister{dir}, want, 0)
		if wantError(t, err, says); err == nil && len(p.Took) != 2 {
			t.Errorf("the lister says %+v", p)
		}
	}
	read := func(size int64, says string) {
		t.Helper()
		p, err := b.help(t.Context(), playReader, &reader{dir, names, 8, 2, 1000, 100}, 50, size)
		if wantError(t, err, says); err == nil && len(p.Took) != 2 {
			t.Errorf("the reader says %+v", p)
		}
	}
	list(52, "")
	list(53, "list found 52")
	read(5000, "")
	read(5001, "read found 50, of 5000 bytes")
	spoilt := filepath.Join(dir, source.Name(7))
	if err := os.WriteFile(spoilt, make([]byte, 100), 0o644); err != nil {
		t.Fatal(err)
	}
	read(5000, "other bytes")
	if err := os.Remove(spoilt); err != nil {
		t.Fatal(err)
	}
	list(52, "list found 51")
	read(5000, "read file-000000000007: no such file")
}
