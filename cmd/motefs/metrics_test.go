package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// scraped are the metrics of one scrape.
type scraped map[string]*dto.MetricFamily

func parseMetrics(t *testing.T, r io.Reader) scraped {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	all, err := parser.TextToMetricFamilies(r)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// getAs asks a server, under a name where that is not empty.
func getAs(ctx context.Context, url, host string) (status int, body string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	if host != "" {
		request.Host = host
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// metricsAt is where a process says that its metrics are, without "/metrics".
func metricsAt(t *testing.T, p *process.Process) string {
	t.Helper()
	p.Says("/metrics\n")
	_, rest, _ := strings.Cut(p.Stdout.String(), "motefs: metrics at ")
	url, _, ok := strings.Cut(rest, "/metrics\n")
	if !ok {
		t.Fatalf("where are the metrics? %s", p)
	}
	return url
}

func scrape(t *testing.T, url string) scraped {
	t.Helper()
	status, body, err := getAs(t.Context(), url+"/metrics", "")
	if err != nil || status != http.StatusOK {
		t.Fatalf("%d, %v: %s", status, err, body)
	}
	return parseMetrics(t, strings.NewReader(body))
}

// value is that of a counter or a gauge, or a histogram's count, with these labels, which
// are written as in `op="get",code="2xx"`; -1 where it is not there.
func (s scraped) value(name, labels string) float64 {
	family := s[name]
	if family == nil {
		return -1
	}
	for _, m := range family.Metric {
		have := map[string]bool{}
		for _, l := range m.Label {
			have[fmt.Sprintf("%s=%q", l.GetName(), l.GetValue())] = true
		}
		missing := slices.ContainsFunc(strings.Split(labels, ","), func(want string) bool { return want != "" && !have[want] })
		switch {
		case missing:
		case m.Counter != nil:
			return m.Counter.GetValue()
		case m.Gauge != nil:
			return m.Gauge.GetValue()
		case m.Histogram != nil:
			return float64(m.Histogram.GetSampleCount())
		}
	}
	return -1
}

// check compares values, by `name{labels}`.
func (s scraped) check(t *testing.T, want map[string]float64) {
	t.Helper()
	for _, key := range slices.Sorted(maps.Keys(want)) {
		name, labels, _ := strings.Cut(key, "{")
		if got := s.value(name, strings.TrimSuffix(labels, "}")); got != want[key] {
			t.Errorf("%s is %v, want %v", key, got, want[key])
		}
	}
}

// TestMetricsOfMirror mirrors files of which some answer otherwise at first, and is scraped
// while it waits for the last one.
func TestMetricsOfMirror(t *testing.T) {
	t.Parallel()
	const files = 3000
	src := synthetic(files)
	s := serveTest(t, serve.Options{}, src)
	var mu sync.Mutex
	statuses := map[string]int{}
	for i, status := range []int{500, 500, 502, 429, 403, 404, 404} {
		statuses[src.Name(int64(100+10*i))] = status
	}
	gone, held := src.Name(2000), src.Name(2500)
	var release sync.Once
	free := make(chan struct{})
	let := func() { release.Do(func() { close(free) }) }
	defer let()
	asked := make(chan struct{}, 100)
	s.SetFaults(origintest.Faults{OnGet: func(name []byte, _ int) origintest.Fault {
		switch string(name) {
		case gone:
			return origintest.Fault{Status: 410}
		case held:
			asked <- struct{}{}
			<-free
		}
		mu.Lock()
		defer mu.Unlock()
		status := statuses[string(name)]
		delete(statuses, string(name))
		return origintest.Fault{Status: status}
	}})
	store, file := filepath.Join(t.TempDir(), "store"), filepath.Join(t.TempDir(), "motefs.prom")
	p := start(t, "mirror", "--store", store, "--metrics", "0", "--metrics-textfile", file, s.URL())
	url := metricsAt(t, p)
	<-asked
	for _, path := range []string{"/healthz", "/readyz", "/status"} {
		if status, body, err := getAs(t.Context(), url+path, ""); status != 200 || err != nil {
			t.Errorf("%s: %d %q, %v", path, status, body, err)
		}
	}
	scrape(t, url).check(t, map[string]float64{
		`motefs_listed_names_total`: files, `motefs_listing_complete`: 0, `motefs_state{state="mirroring"}`: 1, `motefs_state{state="complete"}`: 0,
		`motefs_store_broken`: 0, `motefs_store_damaged`: 0, `motefs_fuse_requests_total{op="read"}`: -1, `motefs_origin_up`: 1,
	})
	let()
	if status := p.Wait(); status != exitOK {
		t.Fatalf("%s", p)
	}
	left, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer left.Close()
	got := parseMetrics(t, left)
	label := fmt.Sprintf("origin=%q,store=%q", s.URL(), store)
	got.check(t, map[string]float64{
		`motefs_mirror_exit_status{` + label + `}`: 0, `motefs_state{state="complete",` + label + `}`: 1,
		`motefs_files{state="fetched"}`: files - 1, `motefs_files{state="gone"}`: 1, `motefs_files{state="failed"}`: 0, `motefs_files{state="pending"}`: 0,
		`motefs_fetched_files_total`: files - 1, `motefs_fetched_bytes_total`: (files - 1) * 100, `motefs_store_content_bytes`: (files - 1) * 100,
		`motefs_listed_names_total`: files, `motefs_listing_complete`: 1,
		`motefs_origin_requests_total{op="get",code="5xx"}`: 3, `motefs_origin_requests_total{op="get",code="429"}`: 1,
		`motefs_origin_requests_total{op="get",code="4xx"}`: 1, `motefs_origin_requests_total{op="get",code="404"}`: 2,
		`motefs_origin_requests_total{op="get",code="error"}`: 0,
		`motefs_origin_retries_total{reason="unavailable"}`:   3, `motefs_origin_retries_total{reason="throttled"}`: 1,
		`motefs_origin_retries_total{reason="refused"}`: 1,
		`go_goroutines`: -1, `process_open_fds`: -1,
	})
	all := s.Counts()
	lists, gets := 0.0, 0.0
	for _, m := range got["motefs_origin_requests_total"].Metric {
		list := slices.ContainsFunc(m.Label, func(l *dto.LabelPair) bool { return l.GetName() == "op" && l.GetValue() == "list" })
		if list {
			lists += m.Counter.GetValue()
		} else {
			gets += m.Counter.GetValue()
		}
	}
	if int64(gets) != all.Gets || int64(lists) != all.Lists {
		t.Errorf("%v gets and %v lists are counted, the origin was asked %+v", gets, lists, all)
	}
	if rest, err := filepath.Glob(file + "*"); err != nil || len(rest) != 1 {
		t.Errorf("beside the file are %q, %v", rest, err)
	}
}

// TestMetricsOfMount reads files of a mount, and asks for some that are not there.
func TestMetricsOfMount(t *testing.T) {
	const files, read = 3000, 70
	src := synthetic(files)
	s := serveTest(t, serve.Options{}, src)
	bad := src.Name(5)
	s.SetFaults(origintest.Faults{OnGet: func(name []byte, _ int) origintest.Fault {
		if string(name) == bad {
			return origintest.Fault{Status: 403}
		}
		return origintest.Fault{}
	}})
	m := startMount(t, s.URL(), "--metrics", "127.0.0.1:0")
	url := metricsAt(t, m.Process)
	eventually.True(t, "the listing", func() bool { return scrape(t, url).value("motefs_listing_complete", "") == 1 })
	before := scrape(t, url)
	shell(t, `cd "$1"; for i in $(seq 1000 $((999 + $2))); do cat file-$(printf %012d $i); done >/dev/null`, m.dir, fmt.Sprint(read))
	process.MustFail(t, "Input/output error", "cat", filepath.Join(m.dir, bad))
	process.MustFail(t, "No such file", "cat", filepath.Join(m.dir, "nothing"))
	shell(t, `stat -f "$1" >/dev/null`, m.dir)
	after := scrape(t, url)
	grew := func(name, labels string) float64 { return after.value(name, labels) - before.value(name, labels) }
	for key, want := range map[string]float64{
		`motefs_fuse_requests_total{op="lookup"}`:             read + 2,
		`motefs_fuse_requests_total{op="read"}`:               read,
		`motefs_fuse_read_bytes_total`:                        read * 100,
		`motefs_fuse_errors_total{op="lookup",errno="EIO"}`:   1,
		`motefs_fuse_errors_total{op="read",errno="EIO"}`:     0,
		`motefs_fuse_request_duration_seconds{op="read"}`:     2, // the first and the 65th
		`motefs_origin_requests_total{op="get",code="error"}`: 0,
	} {
		name, labels, _ := strings.Cut(key, "{")
		if got := grew(name, strings.TrimSuffix(labels, "}")); got != want {
			t.Errorf("%s grew by %v, want %v", key, got, want)
		}
	}
	if n := grew("motefs_fuse_requests_total", `op="statfs"`); n < 1 {
		t.Errorf("%v requests for the filesystem's size", n)
	}
	fetched := grew("motefs_fetched_files_total", "")
	if fetched < read || fetched > files || fetched != after.value("motefs_files", `state="fetched"`) {
		t.Errorf("%v files were fetched, %v are here", fetched, after.value("motefs_files", `state="fetched"`))
	}
	if n := grew("motefs_fuse_fetch_duration_seconds", ""); n < 2 || n > read+2 {
		t.Errorf("%v waits for the origin", n)
	}
	if status, body, err := getAs(t.Context(), url+"/readyz", ""); status != 200 || err != nil {
		t.Errorf("%d %q, %v", status, body, err)
	}
	m.Signal(os.Interrupt)
	if status := m.Wait(); status != exitOK {
		t.Errorf("%s", m)
	}
	if _, _, err := getAs(t.Context(), url+"/healthz", ""); err == nil {
		t.Error("it answers after its end")
	}
}

// TestMetricsAddress is told of an address that cannot be had before anything is mounted or
// mirrored, and before a store is made.
func TestMetricsAddress(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := serveTest(t, serve.Options{}, synthetic(10))
	dir := t.TempDir()
	for _, c := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"--metrics", taken.Addr().String()}, exitError, "address already in use"},
		{[]string{"--metrics", "nonsense"}, exitUsage, "give one such as :9400"},
		{[]string{"--metrics", "0", "--metrics-host", "http://node1"}, exitUsage, "without a scheme"},
		{[]string{"--metrics-host", "node1"}, exitUsage, "goes with --metrics"},
	} {
		for _, command := range [][]string{{"mirror"}, {"mount"}} {
			store := filepath.Join(dir, "store")
			args := append(append(command, "--store", store), c.args...)
			args = append(args, s.URL())
			if command[0] == "mount" {
				args = append(args, t.TempDir())
			}
			p := finish(t, c.status, args...)
			if !strings.Contains(p.Stderr.String(), c.says) || len(lines(p.Stderr.String())) != 1 {
				t.Errorf("%q: %s", c.args, p)
			}
			if _, err := os.Lstat(store); !os.IsNotExist(err) {
				t.Errorf("%q: there is a store: %v", c.args, err)
			}
		}
	}
	if n := s.Counts(); n.Lists+n.Gets != 0 {
		t.Errorf("the origin was asked %+v", n)
	}
}

// TestMetricsOfAnotherSite refuses what a page of another site may have a browser ask, when
// its name leads here.
func TestMetricsOfAnotherSite(t *testing.T) {
	s := serveTest(t, serve.Options{GetLatency: time.Second}, synthetic(1000))
	p := start(t, "mirror", "--store", filepath.Join(t.TempDir(), "store"), "--metrics", "0", "--metrics-host", "node1.example.org", "--pipeline", "off", s.URL())
	url := metricsAt(t, p)
	for host, want := range map[string]int{"": 200, "node1.example.org:9400": 200, "localhost": 200, "evil.example": 403, "127.0.0.1.evil.example": 403} {
		for _, path := range []string{"/metrics", "/healthz"} {
			if status, body, err := getAs(t.Context(), url+path, host); status != want || err != nil {
				t.Errorf("%s of %q: %d %q, %v", path, host, status, body, err)
			}
		}
	}
	if status, body, err := getAs(t.Context(), url+"/debug/pprof/", ""); status != 404 || err != nil {
		t.Errorf("profiles: %d %q, %v", status, body, err)
	}
	p.Signal(os.Interrupt)
	if status := p.Wait(); status != exitInterrupted {
		t.Errorf("%s", p)
	}
}

// TestNobodyReadsMetrics has scrapers ask again and again and read nothing: the mirror comes
// to its end, and ends.
func TestNobodyReadsMetrics(t *testing.T) {
	t.Parallel()
	const files = 20_000
	s := serveTest(t, serve.Options{PageSize: 1000, ListLatency: 50 * time.Millisecond}, synthetic(files))
	p := start(t, "mirror", "--store", filepath.Join(t.TempDir(), "store"), "--metrics", "0", s.URL())
	address := strings.TrimPrefix(metricsAt(t, p), "http://")
	for range 20 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		var asking sync.WaitGroup
		asking.Go(func() {
			for { // until it does not take any more, and then is gone
				if _, err := io.WriteString(c, strings.Repeat("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 100)); err != nil {
					return
				}
			}
		})
		defer asking.Wait()
		defer c.Close()
	}
	if status := p.Wait(); status != exitOK || !strings.Contains(p.Stdout.String(), "20,000 fetched") {
		t.Errorf("%s", p)
	}
}

// TestTextfileOfFailure says how a mirror ended that failed, and one that was stopped.
func TestTextfileOfFailure(t *testing.T) {
	s := serveTest(t, serve.Options{PageSize: 100, ListLatency: 20 * time.Millisecond}, synthetic(100_000))
	dir := t.TempDir()
	store, file := filepath.Join(dir, "store"), filepath.Join(dir, "motefs.prom")
	read := func() scraped {
		t.Helper()
		text, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer text.Close()
		return parseMetrics(t, text)
	}
	p := start(t, "mirror", "--store", store, "--metrics-textfile", file, s.URL())
	eventually.True(t, "some gets", func() bool { return s.Counts().Gets > 1000 })
	read().check(t, map[string]float64{`motefs_mirror_exit_status`: -1, `motefs_mirror_end_timestamp_seconds`: -1})
	// Another one finds the store in use, and says so in a file of its own.
	other := filepath.Join(dir, "other.prom")
	finish(t, exitStore, "mirror", "--store", store, "--metrics-textfile", other, s.URL())
	p.Signal(syscall.SIGTERM)
	if status := p.Wait(); status != exitInterrupted {
		t.Errorf("%s", p)
	}
	got := read()
	got.check(t, map[string]float64{`motefs_mirror_exit_status`: exitInterrupted, `motefs_listing_complete`: 0, `motefs_state{state="stopped"}`: 1})
	if n := got.value("motefs_files", `state="fetched"`); n < 100 {
		t.Errorf("%v files are said to be here", n)
	}
	if began, ended := got.value("motefs_mirror_start_timestamp_seconds", ""), got.value("motefs_mirror_end_timestamp_seconds", ""); began <= 0 || ended < began {
		t.Errorf("from %v to %v", began, ended)
	}
	file = other
	read().check(t, map[string]float64{`motefs_mirror_exit_status`: exitStore, `motefs_files{state="fetched"}`: -1})
	p = finish(t, exitError, "mirror", "--store", store, "--metrics-textfile", filepath.Join(dir, "none", "motefs.prom"), s.URL())
	if !strings.Contains(p.Stderr.String(), "--metrics-textfile") || strings.Contains(p.Stdout.String(), "mirroring") {
		t.Errorf("%s", p)
	}
}
