package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motefs/motefs/cmd/motefs/internal/status"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
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

// TestOriginOfSegmentsAway: while the origin gives nothing, a process that makes a mirror in segments says so, as
// every mirror does.
func TestOriginOfSegmentsAway(t *testing.T) {
	t.Parallel()
	src := synthetic(5000)
	s := serveTest(t, serve.Options{}, src)
	p := process.Start(t, motefs(t, "mirror", "--segments", "file://"+filepath.Join(t.TempDir(), "objects"), "--limit-files", "500", "--metrics", "0", "--store", filepath.Join(t.TempDir(), "work"), s.URL()))
	url := metricsAt(t, p)
	eventually.True(t, "files are fetched", func() bool {
		m := scrape(t, url)
		return m["motefs_fetched_files_total"] != nil && m.value("motefs_fetched_files_total", "") >= 100 && m.value("motefs_origin_up", "") == 1
	})
	fault := func(status int) {
		s.SetFaults(origintest.Faults{
			OnList: func(string, int) origintest.Fault { return origintest.Fault{Status: status} },
			OnGet:  func([]byte, int) origintest.Fault { return origintest.Fault{Status: status} },
		})
	}
	fault(http.StatusServiceUnavailable)
	eventually.True(t, "it waits for the origin", func() bool {
		m := scrape(t, url)
		_, text, err := getAs(t.Context(), url+"/status", "")
		return m.value("motefs_origin_up", "") == 0 && m.value("motefs_state", `state="waiting_for_origin"`) == 1 &&
			err == nil && strings.Contains(text, `"origin_up":false`) && strings.Contains(text, `"connections_limit":16`) && strings.Contains(text, `"last_error":"http_503"`)
	})
	fault(0)
	eventually.True(t, "it goes on", func() bool { return scrape(t, url).value("motefs_origin_up", "") == 1 })
	p.Signal(os.Interrupt)
	if status := p.Wait(); status != exitInterrupted {
		t.Errorf("status %d: %s", status, p)
	}
}

// TestSegmentsGoneOnWith: who goes on with a mirror takes what was done before for no work of its own, and as it is
// stopped does not forget it.
func TestSegmentsGoneOnWith(t *testing.T) {
	t.Parallel()
	g := startGrowing(t, 1300)
	eventually.True(t, "a segment is sealed", func() bool {
		return strings.Contains(finish(t, exitOK, "status", "--segments", g.url).Stdout.String(), "listed    400 so far")
	})
	g.mirror.Signal(os.Interrupt)
	g.mirror.Wait()
	p := process.Start(t, motefs(t, "mirror", "--segments", g.url, "--segment-names", "400", "--cluster-haste", "20", "--limit-files", "10", "--json", "--store", filepath.Join(t.TempDir(), "work"), g.origin.URL()))
	statuses := func() (all []status.Message) {
		for line := range strings.Lines(p.Stdout.String()) {
			var m status.Message
			if json.Unmarshal([]byte(line), &m) == nil {
				all = append(all, m)
			}
		}
		return all
	}
	eventually.True(t, "it has heard what is there", func() bool {
		all := statuses()
		return len(all) > 1 && all[len(all)-1].Fetched >= 400
	})
	p.Signal(os.Interrupt)
	if code := p.Wait(); code != exitInterrupted {
		t.Errorf("status %d: %s", code, p)
	}
	all := statuses()
	for _, m := range all {
		if m.FilesPerSecond != nil && *m.FilesPerSecond >= 100 || m.NamesPerSecond != nil && *m.NamesPerSecond >= 1000 {
			t.Errorf("%d files and %d names a second, of which 400 were there before", *m.FilesPerSecond, *m.NamesPerSecond)
		}
	}
	if last := all[len(all)-1]; last.MessageType != status.MessageSummary || last.Fetched < 400 || last.Listed < 400 {
		t.Errorf("at its end it says %+v", last.Status)
	}
}
