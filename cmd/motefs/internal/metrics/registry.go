package metrics

import (
	"net/http"
	"runtime"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// buildInfo is the gauge that says which program it is.
func buildInfo(version string) prometheus.Collector {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "motefs_build_info", Help: "1, with the version of motefs and of the Go that it was built with.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	info.Set(1)
	return info
}

// Handler answers a scrape: what c collects, and what Go and the kernel say of the process.
func Handler(c *Collector, version string) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(c, buildInfo(version), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// Textfile writes metrics to a file, for who collects them from there, as the textfile
// collector of node_exporter does. Every metric has the origin and the store as labels:
// several such files are read together. Nothing is in it that node_exporter says of itself.
type Textfile struct {
	path     string
	registry *prometheus.Registry
	labelled prometheus.Registerer // of registry, with the labels
	// When the run began and ended, in seconds since 1970, and its exit status; the last two
	// are registered once it has ended.
	began, ended, exit prometheus.Gauge
}

// NewTextfile returns what writes to path. It writes nothing yet.
func NewTextfile(path string, c *Collector, version, origin, store string) *Textfile {
	t := &Textfile{path: path, registry: prometheus.NewRegistry()}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	t.began = gauge("motefs_mirror_start_timestamp_seconds", "When the run began that wrote this file.")
	t.ended = gauge("motefs_mirror_end_timestamp_seconds", "When that run ended; not there while it goes on, and where it was killed.")
	t.exit = gauge("motefs_mirror_exit_status", "The exit status of that run, 0 where the mirror is complete; not there while it goes on.")
	t.labelled = prometheus.WrapRegistererWith(prometheus.Labels{"origin": label(origin), "store": label(store)}, t.registry)
	t.labelled.MustRegister(c, buildInfo(version), t.began)
	t.began.SetToCurrentTime()
	return t
}

// label makes a label's value of a text: UTF-8, as Prometheus wants it.
func label(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

// Write writes the file as it is now: into one beside it, which then takes its name.
func (t *Textfile) Write() error { return prometheus.WriteToTextfile(t.path, t.registry) }

// End notes the end of the run, for the next Write.
func (t *Textfile) End(status int) {
	t.ended.SetToCurrentTime()
	t.exit.Set(float64(status))
	t.labelled.MustRegister(t.ended, t.exit)
}
