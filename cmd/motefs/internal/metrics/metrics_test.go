package metrics

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/motefs/internal/status"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/motefs/motefs/mirror/wire"
	"github.com/prometheus/client_golang/prometheus"
)

// mirroredFiles is how many files the mirror of mirrored has.
const mirroredFiles = 500

// mirrored returns the sources of a mirror that is complete, and what closes them.
func mirrored(t *testing.T) (Sources, func()) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	server := origintest.New(t, serve.Options{}, serve.NewSynthetic(serve.SyntheticOptions{Files: mirroredFiles}))
	from := Sources{Traffic: new(wire.Traffic)}
	client, err := origin.New(origin.Options{BaseURL: server.URL(), Options: wire.Options{Traffic: from.Traffic}})
	must(err)
	from.Store, err = cache.Open(cache.Options{Dir: t.TempDir(), Origin: server.URL()})
	must(err)
	engine, err := mirror.Open(mirror.Options{Store: from.Store, Lister: client, Fetcher: client, Prefetch: true})
	must(err)
	from.Status = status.New(status.Options{Command: "mirror", Store: from.Store, Engine: engine, Prefetch: true})
	from.Counts = engine.Counts
	must(engine.Run(t.Context()))
	return from, sync.OnceFunc(func() {
		must(from.Status.Close())
		must(engine.Close())
		must(client.Close())
		must(from.Store.Close())
	})
}

func gather(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	r := httptest.NewRecorder()
	Handler(c.(*Collector), "1.2.3").ServeHTTP(r, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	if r.Code != 200 {
		t.Fatalf("%d: %s", r.Code, r.Body)
	}
	return r.Body.String()
}

func has(t *testing.T, text string, want bool, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if strings.Contains(text, "\n"+line+"\n") != want {
			t.Errorf("%q: want %v in:\n%s", line, want, text)
		}
	}
}

// TestCollector collects nothing before it has sources, what they count while it has, and
// what they had counted once they are closed.
func TestCollector(t *testing.T) {
	c := &Collector{}
	before := gather(t, c)
	has(t, before, false, `motefs_files{state="fetched"} 0`)
	if !strings.Contains(before, `version="1.2.3"`) || !strings.Contains(before, "go_goroutines") {
		t.Errorf("of the program it says\n%s", before)
	}
	from, end := mirrored(t)
	defer end()
	c.Attach(from)
	want := []string{
		`motefs_files{state="fetched"} 500`, `motefs_fetched_files_total 500`, `motefs_fetched_bytes_total 50000`, `motefs_listed_names_total 500`,
		`motefs_listing_complete 1`, `motefs_store_broken 0`, `motefs_origin_requests_total{code="2xx",op="get"} 500`, `motefs_origin_up 1`,
		`motefs_origin_requests_total{code="2xx",op="list"} 1`, `motefs_origin_request_duration_seconds_count{op="list"} 1`,
		`motefs_origin_request_duration_seconds_bucket{op="list",le="+Inf"} 1`,
	}
	has(t, gather(t, c), true, want...)
	c.Detach()
	c.Detach() // once more does nothing
	end()
	has(t, gather(t, c), true, want...)
}

// TestDetachWhileScraped closes the sources while many scrape.
func TestDetachWhileScraped(t *testing.T) {
	c := &Collector{}
	from, end := mirrored(t)
	defer end()
	c.Attach(from)
	var scrapers sync.WaitGroup
	for range 4 {
		scrapers.Go(func() {
			for range 20 {
				if text := gather(t, c); !strings.Contains(text, "\nmotefs_fetched_files_total 500\n") {
					t.Errorf("it says\n%s", text)
				}
			}
		})
	}
	c.Detach()
	end()
	scrapers.Wait()
}

// TestTextfile has labels that hold whatever a folder's name holds, and leaves the file
// before as it is where a new one cannot be written.
func TestTextfile(t *testing.T) {
	c := &Collector{}
	from, end := mirrored(t)
	defer end()
	c.Attach(from)
	path := filepath.Join(t.TempDir(), "a.prom")
	f := NewTextfile(path, c, "1.2.3", "http://origin.test", "/odd \"folder\"\n\xff")
	read := func() string {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if err := f.Write(); err != nil {
		t.Fatal(err)
	}
	labels := `origin="http://origin.test",store="/odd \"folder\"\n` + "\uFFFD" + `"`
	has(t, read(), true, `motefs_fetched_files_total{`+labels+`} 500`)
	has(t, read(), false, `motefs_mirror_exit_status{`+labels+`} 6`)
	if strings.Contains(read(), "go_goroutines") || strings.Contains(read(), "process_") {
		t.Error("node_exporter has these of itself")
	}
	f.End(6)
	if err := f.Write(); err != nil {
		t.Fatal(err)
	}
	has(t, read(), true, `motefs_mirror_exit_status{`+labels+`} 6`)
	before := read()
	f.path = filepath.Join(filepath.Dir(path), "none", "a.prom")
	if err := f.Write(); err == nil || read() != before {
		t.Errorf("written into a folder that is not there: %v", err)
	}
}

// TestStates has every state that the status of a mount or a mirror can have.
func TestStates(t *testing.T) {
	known := map[status.State]bool{status.Verifying: true, status.InUse: true, status.Unreadable: true} // others say these
	for _, s := range states {
		if known[s] {
			t.Errorf("%s is there twice", s)
		}
		known[s] = true
	}
	text, err := os.ReadFile("../status/status.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for line := range strings.Lines(string(text)) {
		if _, rest, ok := strings.Cut(line, ` State = "`); ok {
			name, _, _ := strings.Cut(rest, `"`)
			if found++; !known[status.State(name)] {
				t.Errorf("there is a state %q", name)
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d states are seen", found)
	}
}
