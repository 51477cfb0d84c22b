package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"go.yaml.in/yaml/v3"
)

// manyMetrics are those of a mount with every metric that there is, and of a textfile.
func manyMetrics(t *testing.T) (ofMount string, all scraped) {
	t.Helper()
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 1000, LargeEvery: 500, LargeSize: 2000})
	s := serveTest(t, serve.Options{}, src)
	file := filepath.Join(t.TempDir(), "motefs.prom")
	store := filepath.Join(t.TempDir(), "store")
	finish(t, exitFailed, "mirror", "--store", store, "--max-file-size", "1000", "--metrics-textfile", file, s.URL())
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	all = parseMetrics(t, strings.NewReader(string(text)))
	if n := all.value("motefs_failed_files", `reason="too_large"`); n != 2 {
		t.Errorf("%v files failed for their length", n)
	}
	m := startMount(t, s.URL(), "--metrics", "0")
	url := metricsAt(t, m.Process)
	process.MustRun(t, "cat", filepath.Join(m.dir, src.Name(1)))
	eventually.True(t, "what the store takes", func() bool { return scrape(t, url)["motefs_store_disk_bytes"] != nil })
	_, ofMount, err = getAs(t.Context(), url+"/metrics", "")
	if err != nil {
		t.Fatal(err)
	}
	m.stop()
	for name, family := range parseMetrics(t, strings.NewReader(ofMount)) {
		all[name] = family
	}
	// Prometheus' own linter, which promtool has, of both.
	for what, text := range map[string]string{"textfile": string(text), "mount": ofMount} {
		problems, err := promlint.New(strings.NewReader(text)).Lint()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s: %s", what, p.Metric, p.Text)
		}
	}
	return ofMount, all
}

// metricName is a metric in a document or an expression, with the ending of a part of a
// histogram.
var metricName = regexp.MustCompile(`\b(?:motefs|go|process)_[a-z0-9_]*[a-z0-9]\b`)

// have reports whether a name in an expression is that of a metric, or of a part of a
// histogram.
func (s scraped) have(name string) bool {
	if s[name] != nil {
		return true
	}
	for _, part := range []string{"_bucket", "_sum", "_count"} {
		if whole, ok := strings.CutSuffix(name, part); ok && s[whole] != nil && s[whole].GetType() == dto.MetricType_HISTOGRAM {
			return true
		}
	}
	return false
}

// TestMetricNames holds the guide, the dashboard and the alerts to the metrics that there
// are, and those to Prometheus' linter.
func TestMetricNames(t *testing.T) {
	text, all := manyMetrics(t)
	ours := 0
	guide := document(t, "cmd/motefs/docs/metrics.md")
	described := map[string]bool{}
	for line := range strings.Lines(guide) {
		if first, _, _ := strings.Cut(strings.TrimPrefix(line, "|"), "|"); strings.HasPrefix(line, "| `motefs_") {
			for _, name := range metricName.FindAllString(first, -1) {
				described[name] = true
			}
		}
	}
	for name := range all {
		if strings.HasPrefix(name, "motefs_") {
			ours++
			if !described[name] {
				t.Errorf("docs/metrics.md does not describe %s", name)
			}
		}
		delete(described, name)
	}
	for name := range described {
		t.Errorf("docs/metrics.md describes %s, which is not there", name)
	}
	if ours < 40 {
		t.Errorf("only %d metrics", ours)
	}
	if n := strings.Count(text, "\n"); n > 1000 {
		t.Errorf("%d lines", n)
	}
	for what, exprs := range map[string][]string{"dashboard": dashboardExprs(t), "alerts": alertExprs(t)} {
		used := 0
		for _, expr := range exprs {
			names := metricName.FindAllString(expr, -1)
			if len(names) == 0 {
				t.Errorf("%s: %q has no metric", what, expr)
			}
			for _, name := range names {
				used++
				if !all.have(name) {
					t.Errorf("%s: %q has %s, which is not there", what, expr, name)
				}
			}
			all.checkLabels(t, what, expr)
		}
		if used < 10 {
			t.Errorf("%s has only %d metrics", what, used)
		}
	}
}

// selector is a metric with a matcher of equality, or of alternatives.
var selector = regexp.MustCompile(`(motefs_[a-z0-9_]+)\{([^}]*)\}`)
var matcher = regexp.MustCompile(`([a-z]+)(=~?)"([^"]*)"`)

// checkLabels checks that what an expression selects by a label is there.
func (s scraped) checkLabels(t *testing.T, what, expr string) {
	t.Helper()
	for _, sel := range selector.FindAllStringSubmatch(expr, -1) {
		family := s[sel[1]]
		for _, m := range matcher.FindAllStringSubmatch(sel[2], -1) {
			if label := m[1]; label == "job" || label == "instance" || family == nil {
				continue // Prometheus' own
			}
			for value := range strings.SplitSeq(m[3], "|") {
				found := false
				for _, metric := range family.Metric {
					for _, l := range metric.Label {
						found = found || l.GetName() == m[1] && l.GetValue() == value
					}
				}
				if !found {
					t.Errorf("%s: %q: %s has no %s=%q", what, expr, sel[1], m[1], value)
				}
			}
		}
	}
}

// dashboardExprs are the expressions of grafana.json. No two panels lie over each other.
func dashboardExprs(t *testing.T) (exprs []string) {
	t.Helper()
	type area struct{ X, Y, W, H int }
	var dashboard struct {
		Title, UID string
		Panels     []struct {
			ID          int
			Type, Title string
			GridPos     area
			Targets     []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	if err := json.Unmarshal([]byte(document(t, "cmd/motefs/docs/grafana.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	ids, places := map[int]bool{}, map[[2]int]string{}
	for _, p := range dashboard.Panels {
		if ids[p.ID] {
			t.Errorf("two panels are number %d", p.ID)
		}
		ids[p.ID] = true
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := places[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("panel %q lies over %q, or beyond the edge", p.Title, other)
				}
				places[[2]int{x, y}] = p.Title
			}
		}
		for _, target := range p.Targets {
			exprs = append(exprs, target.Expr)
		}
	}
	for _, v := range dashboard.Templating.List {
		if v.Definition != "" {
			exprs = append(exprs, v.Definition)
		}
	}
	return exprs
}

// alertExprs are the expressions of alerts.yaml.
func alertExprs(t *testing.T) (exprs []string) {
	t.Helper()
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	decoder := yaml.NewDecoder(strings.NewReader(document(t, "cmd/motefs/docs/alerts.yaml")))
	decoder.KnownFields(true)
	if err := decoder.Decode(&rules); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" || seen[r.Alert] || r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("the alert %q says too little, or is there twice", r.Alert)
			}
			seen[r.Alert] = true
			exprs = append(exprs, r.Expr)
		}
	}
	return exprs
}
