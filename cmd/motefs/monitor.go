package main

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/motefs/internal/metrics"
	"github.com/motefs/motefs/cmd/motefs/internal/monitor"
	"github.com/motefs/motefs/cmd/motefs/internal/page"
	"github.com/motefs/motefs/cmd/motefs/internal/status"
	"github.com/motefs/motefs/fs"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire"
	"github.com/rs/zerolog"
	"github.com/spf13/pflag"
)

// monitorFlags say who is shown what a command does.
type monitorFlags struct {
	address  string
	hosts    []string
	textfile string
}

const monitorGroup = "Flags for who watches"

func (f *monitorFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.address, "metrics", "", "serve a page for browsers, metrics for Prometheus, the status and probes over HTTP at `address`, such as :9400, for this machine alone; 0.0.0.0:9400 lets others in, who need no password")
	flags.StringArrayVar(&f.hosts, "metrics-host", nil, "another `name` by which --metrics is asked for, beside addresses, localhost and this machine's own name; may be given several times")
	inGroup(flags, monitorGroup, "metrics", "metrics-host")
}

func (f *monitorFlags) registerTextfile(flags *pflag.FlagSet) {
	flags.StringVar(&f.textfile, "metrics-textfile", "", "write metrics to this `file`, every few seconds and at the end, for the textfile collector of node_exporter, which wants a name that ends in .prom")
	inGroup(flags, monitorGroup, "metrics-textfile")
}

func (f *monitorFlags) validate() error {
	if f.address == "" {
		if len(f.hosts) > 0 {
			return usagef("--metrics-host goes with --metrics")
		}
		return nil
	}
	var err error
	if f.address, err = monitor.Address(f.address); err != nil {
		return usagef("--metrics: %w", err)
	}
	if err := monitor.CheckNames(f.hosts); err != nil {
		return usagef("--metrics-host: %w", err)
	}
	return nil
}

// monitored shows what a session does to who asks, over HTTP and in a file. A nil one shows
// nothing, and can be used all the same.
type monitored struct {
	traffic   wire.Traffic
	collector metrics.Collector
	server    *monitor.Server           // nil: --metrics was not given
	page      atomic.Pointer[page.Page] // nil: there is no server, or no session so far
	shown     atomic.Pointer[shown]     // in the page

	mu struct {
		sync.Mutex
		watched  *watched // nil: nothing is open
		notReady error    // why the command does not do its work yet, or not any more
	}

	textfile *metrics.Textfile // nil: --metrics-textfile was not given
	end      chan struct{}     // of its writer
	wg       sync.WaitGroup
}

var (
	errStarting = errors.New("not ready: starting")
	errEnding   = errors.New("not ready: ending")
)

// watched is what is shown: of a session, or of a process that takes part in a mirror in segments.
type watched struct {
	status   *status.Source
	store    *cache.Store         // nil: the mirror is elsewhere
	counts   func() mirror.Counts // nil: nothing is listed or fetched here
	everyone bool                 // may see names, on this machine
	log      zerolog.Logger
}

// startMonitor begins to answer where --metrics says. It must be closed.
func (a *app) startMonitor(f *monitorFlags, log zerolog.Logger) (*monitored, error) {
	m := &monitored{end: make(chan struct{})}
	m.mu.notReady = errStarting
	if f.address == "" {
		return m, nil
	}
	var err error
	m.server, err = monitor.Listen(monitor.Options{
		Address: f.address, Names: f.hosts, Log: log,
		Metrics: metrics.Handler(&m.collector, version()), Healthy: m.healthy, Ready: m.ready,
	})
	if err != nil {
		return nil, fmt.Errorf("--metrics: %w; give another address", err)
	}
	m.server.Handle("GET /status", http.HandlerFunc(m.serveStatus))
	m.server.Handle("GET /", http.HandlerFunc(m.servePage))
	a.tell("metrics at %s/metrics", m.server.URL())
	a.tell("page at %s/", m.server.URL())
	return m, nil
}

// counts is what a client counts its requests into.
func (m *monitored) counts() *wire.Traffic {
	if m == nil {
		return nil
	}
	return &m.traffic
}

// attach begins to show what is open.
func (m *monitored) attach(w *watched) {
	if m == nil {
		return
	}
	m.mu.Lock()
	m.mu.watched = w
	m.mu.Unlock()
	if m.server == nil && m.textfile == nil {
		return // nobody collects, and at the end a Collector has all be read once more
	}
	m.collector.Attach(metrics.Sources{Store: w.store, Counts: w.counts, Traffic: &m.traffic, Status: w.status})
	m.showPage(w)
}

// begun notes that the command does its work from now on.
func (m *monitored) begun() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.notReady = nil
}

// mounted is begun of a mount, and shows what it counts.
func (m *monitored) mounted(mount *fs.Mount) {
	if m == nil {
		return
	}
	m.collector.Mounted(mount)
	if s := m.shown.Load(); s != nil {
		s.mount.Store(mount)
	}
	m.begun()
}

// detach shows from now on how things were last. What was shown may be closed then; one that
// was never shown, as its store is in use, changes nothing.
func (m *monitored) detach() {
	if m == nil {
		return
	}
	m.mu.Lock()
	shown := m.mu.watched != nil
	if shown {
		m.mu.watched, m.mu.notReady = nil, errEnding
	}
	m.mu.Unlock()
	if !shown {
		return
	}
	m.hidePage()
	m.collector.Detach()
}

// Close ends the server.
func (m *monitored) Close() error {
	if m.server == nil {
		return nil
	}
	return m.server.Close()
}

func (m *monitored) current() (w *watched, notReady error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.watched, m.mu.notReady
}

// healthy is why only another start of the process helps.
func (m *monitored) healthy() error {
	if w, _ := m.current(); w != nil && w.store != nil && w.store.BrokenErr() != nil {
		return fmt.Errorf("not healthy: nothing more can be stored: %w", w.store.BrokenErr())
	}
	return nil
}

func (m *monitored) ready() error {
	_, notReady := m.current()
	return notReady
}

func (m *monitored) serveStatus(w http.ResponseWriter, r *http.Request) {
	s, notReady := m.current()
	if s == nil {
		http.Error(w, notReady.Error(), http.StatusServiceUnavailable)
		return
	}
	status.JSON(func() any {
		st := s.status.Status()
		return st.Public()
	}).ServeHTTP(w, r)
}

// textfileEvery is how often the file of --metrics-textfile is written.
const textfileEvery = 15 * time.Second

// writeTextfile writes the file of --metrics-textfile, and goes on doing so until ended.
func (m *monitored) writeTextfile(f *monitorFlags, origin, store string, log zerolog.Logger) error {
	if f.textfile == "" {
		return nil
	}
	m.textfile = metrics.NewTextfile(f.textfile, &m.collector, version(), origin, store)
	if err := m.textfile.Write(); err != nil {
		return textfileError(err)
	}
	m.wg.Go(func() {
		tick := time.NewTicker(textfileEvery)
		defer tick.Stop()
		failing := false
		for {
			select {
			case <-m.end:
				return
			case <-tick.C:
			}
			err := m.textfile.Write()
			if err != nil && !failing {
				log.Warn().Err(err).Msg("the file of --metrics-textfile cannot be written; it is tried again")
			}
			failing = err != nil
		}
	})
	return nil
}

// textfileError is err as text alone: its disk is not the store's, of which exitStatus tells.
func textfileError(err error) error { return fmt.Errorf("--metrics-textfile: %v", err) } //nolint:errorlint // see above

// ended writes the file for the last time, with how the run ended.
func (m *monitored) ended(err error) error {
	close(m.end)
	m.wg.Wait()
	if m.textfile == nil {
		return nil
	}
	status := exitOK
	if err != nil {
		status = exitStatus(err)
	}
	m.textfile.End(status)
	if err := m.textfile.Write(); err != nil {
		return textfileError(err)
	}
	return nil
}
