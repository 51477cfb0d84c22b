package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/cmd/internal/child"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0},
		{[]float64{7}, 7},
		{[]float64{9, 1, 5}, 5},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		if got := median(c.values); got != c.want {
			t.Errorf("median(%v) = %v, not %v", c.values, got, c.want)
		}
	}
}

func TestSignificant(t *testing.T) {
	for _, c := range []struct {
		x      float64
		digits int
		want   string
	}{
		{0, 3, "0"},
		{588_912, 3, "589,000"},
		{1_234_567, 3, "1,230,000"},
		{999.6, 3, "1,000"},
		{61.23, 3, "61.2"},
		{1.96, 2, "2.0"},
		{0.000451, 2, "0.00045"},
		{1.18, 2, "1.2"},
	} {
		if got := significant(c.x, c.digits); got != c.want {
			t.Errorf("significant(%v, %d) = %q, not %q", c.x, c.digits, got, c.want)
		}
	}
}

func TestSpread(t *testing.T) {
	if got := spread([]float64{1500}, 3); got != "1,500" {
		t.Errorf("one value: %q", got)
	}
	if got := spread([]float64{1500, 1200, 1300}, 3); got != "1,300 (1,200 – 1,500)" {
		t.Errorf("three values: %q", got)
	}
}

func TestReport(t *testing.T) {
	og := &origin{name: "serve", ceiling: pipelined}
	took := func(files int64, wall time.Duration) sample {
		return sample{files: files, Usage: child.Usage{Wall: wall, CPU: 2 * time.Second, Peak: 103_000_000}}
	}
	rows := []*row{
		{contender: contender{name: pipelined, stored: storedNothing}, origin: og, samples: []sample{took(2_000_000, time.Second)}},
		{contender: contender{name: "motefs mirror", stored: storedStore}, origin: og, samples: []sample{
			took(1_000_000, 2*time.Second), took(1_000_000, time.Second), took(1_000_000, 4*time.Second)}},
		{contender: contender{name: "wget2", stored: storedFiles}, origin: og},
	}
	rows[2].samples = []sample{took(1, 1)}
	rows[2].fail(errors.New("3 of 5 files\narrived | badly"))
	text := report("2 cores", []string{"wrk 4.1.0"}, rows)
	for _, want := range []string{
		"2 cores. `make bench`, medians of 3 runs (least – most).\nwrk 4.1.0.\n",
		"| serve | wrk, pipelined | nothing | 2,000,000 | 2,000,000 | 1.0 | 103 MB | 1.0 |\n",
		"| serve | motefs mirror | a store | 1,000,000 | 500,000 (250,000 – 1,000,000) | 2.0 (2.0 – 2.0) | 103 MB | 0.25 |\n",
		"| serve | wget2 | a file each | | failed: 3 of 5 files arrived \\| badly | | | |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if t.Failed() {
		return
	}
	if text := report("", nil, rows[1:]); !strings.Contains(text, "103 MB | – |") {
		t.Errorf("without a ceiling there is a ratio:\n%s", text)
	}
}

func TestMissingProgramIsSaidInItsRow(t *testing.T) {
	r := &row{contender: contender{name: "wget2"}, origin: &origin{name: "nginx"}}
	_, err := program{paths: []string{"no-such-program"}, pkg: "such-a-package"}.find()
	r.fail(err)
	if got := r.markdown(0); !strings.Contains(got, "| not installed: apt-get install such-a-package |") {
		t.Errorf("the row is %q", got)
	}
	if _, err := (program{paths: pythonPaths, module: "no_such_module", pkg: "x"}).find(); !errors.Is(err, errNotInstalled) {
		t.Errorf("a module that is not there: %v", err)
	}
}

const wrkText = `Running 3s test @ http://127.0.0.1:8080
  2 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.76ms    1.02ms  24.31ms   87.10%%
    Req/Sec    18.31k     2.11k   22.90k    66.67%%
  114867 requests in 3.05s, 38.56MB read
%sRequests/sec:  37661.31
Transfer/sec:     12.64MB
`

func TestParseWrk(t *testing.T) {
	n, took, err := parseWrk(fmt.Sprintf(wrkText, ""))
	if n != 114867 || took != 3050*time.Millisecond || err != nil {
		t.Errorf("parseWrk = %d, %s, %v", n, took, err)
	}
	for _, text := range []string{
		"unable to connect to 127.0.0.1:8080 Connection refused\n",
		fmt.Sprintf(wrkText, "  Socket errors: connect 0, read 64, write 0, timeout 0\n"),
		fmt.Sprintf(wrkText, "  Non-2xx or 3xx responses: 12\n"),
		"  0 requests in 1.00s, 0.00B read\n",
	} {
		if n, _, err := parseWrk(text); err == nil {
			t.Errorf("parseWrk(%q) = %d", text, n)
		}
	}
}

func TestParseVerify(t *testing.T) {
	text := "store /s of http://h: 50,000 listed, 50,000 fetched (4.8 MiB), complete\nthe store is sound\n"
	if n, err := parseVerify(text); n != 50_000 || err != nil {
		t.Errorf("parseVerify = %d, %v", n, err)
	}
	for _, text := range []string{
		"",
		"store /s of http://h: 50,000 listed, 49,999 fetched (4.8 MiB), every name is listed\n",
		"store /s of http://h: 50,000 listed, 49,999 fetched (4.8 MiB), 1 gone, complete\n",
	} {
		if n, err := parseVerify(text); err == nil {
			t.Errorf("parseVerify(%q) = %d", text, n)
		}
	}
}

func TestLastLine(t *testing.T) {
	if got := lastLine("Traceback:\n  File x\nValueError: no\n\n"); got != "ValueError: no" {
		t.Errorf("lastLine = %q", got)
	}
}
