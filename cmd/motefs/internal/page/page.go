package page

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

const (
	// writeTime is how long a browser may take to read one answer, or one event.
	writeTime = 10 * time.Second
	// maxStreams bounds the browsers that are sent samples at the same time.
	maxStreams = 32
	// maxReads bounds the requests that read the store at the same time; one holds at
	// most maxEntries entries, or previewBytes of a content.
	maxReads = 4
	// endTime is how long a browser may take to be told that motefs ends, and closeTime how
	// long the store to answer what it was asked before.
	endTime, closeTime = 250 * time.Millisecond, 2 * time.Second
	// sampleEvery is how often a sample is taken.
	sampleEvery = time.Second
)

// Options say what a page shows. Source and Tree are needed.
type Options struct {
	Source Source
	Tree   Tree
	// Every is how often a sample is taken. Default: a second.
	Every time.Duration
	// Everyone lets all users of this machine see names and contents: default only the user
	// of this process, see owns. What is counted is shown to all who reach the page.
	Everyone bool
	// Log takes what goes wrong in the store, at a bounded rate. The zero value is silent.
	Log zerolog.Logger
}

// Page is an http.Handler. It must be closed.
type Page struct {
	o       Options
	log     zerolog.Logger
	mux     *http.ServeMux
	process string // see event
	history *history
	latest  *latest
	streams chan struct{} // one for each that is open
	joined  chan struct{} // a stream was opened, which wants the status now
	reads   chan struct{} // one for each request that reads the store

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	wg   sync.WaitGroup // the sampler
	over chan struct{}  // closed after the last sample
	once sync.Once
	err  error // of Close
}

// Open makes a page, which takes samples from now on.
func Open(o Options) *Page {
	if o.Every == 0 {
		o.Every = sampleEvery
	}
	p := &Page{
		o: o, process: rand.Text(), history: newHistory(), latest: newLatest(), mux: http.NewServeMux(),
		log:     o.Log.Sample(&zerolog.BurstSampler{Burst: 5, Period: time.Minute}),
		streams: make(chan struct{}, maxStreams), joined: make(chan struct{}, 1), over: make(chan struct{}), reads: make(chan struct{}, maxReads),
	}
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.mux.HandleFunc("/", p.asset)
	p.mux.HandleFunc("/api/events", p.events)
	p.mux.HandleFunc("/api/history", p.past)
	p.mux.HandleFunc("/api/files", p.reading(p.files))
	p.mux.HandleFunc("/api/file", p.reading(p.file))
	p.mux.HandleFunc("/api/failures", p.reading(p.failures))
	p.wg.Go(p.sample)
	return p
}

// Close ends the streams, and returns when no request reads the store any more, or with an
// error where one of them hangs. Later ones are refused.
func (p *Page) Close() error {
	p.once.Do(func() {
		p.stop()
		p.wg.Wait()
		all(p.streams, endTime) // who does not read is not waited for
		if !all(p.reads, closeTime) {
			p.err = errors.New("the page still reads the store, which does not answer")
		}
	})
	return p.err
}

// all takes all places of a semaphore, for good, and reports whether it got them in time.
func all(places chan struct{}, within time.Duration) bool {
	late := time.NewTimer(within)
	defer late.Stop()
	for range cap(places) {
		select {
		case places <- struct{}{}:
		case <-late.C:
			return false
		}
	}
	return true
}

// policy lets the page load and ask for what is of the same origin, and nothing else be
// done: no inline script or style, no frame, no form, no markup made of a string.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Starting answers before there is a page: a browser asks again each second.
func Starting(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	if r.URL.Path != "/" && !strings.HasPrefix(r.URL.Path, "/api/") {
		fail(w, http.StatusNotFound, nothingHere)
		return
	}
	w.Header().Set("Retry-After", "1")
	if r.URL.Path != "/" {
		fail(w, http.StatusServiceUnavailable, "motefs is starting")
		return
	}
	w.Header().Set("Refresh", "1")
	w.Header().Set("Content-Type", types[".html"])
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, "<!doctype html><meta name=color-scheme content='light dark'><title>motefs</title><p>motefs is starting…")
}

const nothingHere = "there is nothing here; the page is at /"

// secure sets the header fields of every answer.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}

// ServeHTTP answers GET and HEAD. Who may ask, by the Host that is named, is checked by
// the server.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		fail(w, http.StatusMethodNotAllowed, "this page can only be read")
		return
	}
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		fail(w, http.StatusInternalServerError, "no deadline can be set: "+err.Error())
		return
	}
	p.mux.ServeHTTP(w, r)
}

//go:embed assets
var assets embed.FS

// types are the media types of the assets. What is in none of them is not served.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

func (p *Page) asset(w http.ResponseWriter, r *http.Request) {
	name := path.Clean("/" + r.URL.Path)
	if name == "/" {
		name = "/index.html"
	}
	content, err := assets.ReadFile("assets" + name)
	kind := types[path.Ext(name)]
	if err != nil || kind == "" {
		fail(w, http.StatusNotFound, nothingHere)
		return
	}
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(content) //nolint:gosec // it is an asset of this program; and the browser may be gone
}

// reading wraps a handler that reads the store.
func (p *Page) reading(handle func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer, err := p.read(r, handle)
		if deadline := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime)); deadline != nil {
			err = errors.Join(err, deadline)
		}
		if err == nil {
			reply(w, answer)
			return
		}
		if r.Context().Err() != nil {
			return
		}
		status, text := statusOf(err)
		if status >= http.StatusInternalServerError && !errors.Is(err, errClosed) {
			p.log.Warn().Err(err).Msg("the page cannot show what is in the store")
		}
		fail(w, status, text)
	}
}

// read reads the store, and writes to no browser meanwhile.
func (p *Page) read(r *http.Request, handle func(*http.Request) (any, error)) (any, error) {
	if err := p.owns(r); err != nil {
		return nil, err
	}
	select {
	case p.reads <- struct{}{}:
		defer func() { <-p.reads }()
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case <-p.ctx.Done():
		return nil, errClosed
	}
	return handle(r)
}

// reply sends an answer as JSON.
func reply(w http.ResponseWriter, answer any) {
	text, err := json.Marshal(answer)
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text) // the browser may be gone
}

// fail sends an error as JSON.
func fail(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": text})
}
