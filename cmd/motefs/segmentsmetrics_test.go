package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motefs/motefs/fs/fusetest/eventually"
)

// TestMetricsOfSegments: a mirror in segments serves metrics, its status and the page while it goes
// on, and writes a textfile, as every mirror does.
func TestMetricsOfSegments(t *testing.T) {
	t.Parallel()
	const files = 1300
	file := filepath.Join(t.TempDir(), "motefs.prom")
	g := startGrowing(t, files, "--metrics", "0", "--metrics-textfile", file)
	url := metricsAt(t, g.mirror)
	eventually.True(t, "what was fetched", func() bool {
		m := scrape(t, url)
		return m["motefs_fetched_files_total"] != nil && m.value("motefs_fetched_files_total", "") >= 400 && m.value("motefs_files", `state="fetched"`) >= 400
	})
	for path, want := range map[string]string{"/status": `"state":"mirroring"`, "/api/files": `"entries":[]`, "/": "<html", "/readyz": ""} {
		status, text, err := getAs(t.Context(), url+path, "")
		if err != nil || status >= 300 || !strings.Contains(text, want) {
			t.Errorf("%s is %d %.200q, %v", path, status, text, err)
		}
	}
	g.goOn()
	if status := g.mirror.Wait(); status != exitOK {
		t.Fatalf("the mirror ends with %d: %s", status, g.mirror)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	all := parseMetrics(t, strings.NewReader(string(text)))
	if n := all.value("motefs_files", `state="fetched"`); n != files {
		t.Errorf("%v files are fetched:\n%s", n, text)
	}
	if n := all.value("motefs_mirror_exit_status", ""); n != 0 || !strings.Contains(string(text), `store="`+g.url+`"`) {
		t.Errorf("status %v:\n%s", n, text)
	}
}
