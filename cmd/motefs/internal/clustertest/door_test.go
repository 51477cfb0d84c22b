package clustertest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// trouble is what is wrong between a process and the object store, or the origin.
type trouble struct {
	away   bool          // connections end without an answer
	silent bool          // no answer comes until it is over
	refuse bool          // 503
	slow   time.Duration // before each request
	// lose has one of so many PUTs be done, and its answer lost; 0: none.
	lose int64
	// tooFast is how many requests are answered with a 429, and those after them not.
	tooFast int
	// only is what the path of a request has that is in trouble; empty: all are.
	only string
	puts bool // only PUTs are in trouble
}

// door is the way of one process to the object store, or to the origin.
type door struct {
	url   string
	proxy *httputil.ReverseProxy
	puts  atomic.Int64
	lost  atomic.Int64 // answers
	met   atomic.Int64 // requests that were in trouble
	mu    struct {
		sync.Mutex
		trouble
		over chan struct{} // closed when the trouble is over
	}
}

// openDoor opens a way to the server at target, which ends with the test. It is a proxy too.
func openDoor(tb testing.TB, target *url.URL) *door {
	d := &door{proxy: &httputil.ReverseProxy{
		// The host is part of what is signed.
		Rewrite:      func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}}
	d.mu.over = make(chan struct{})
	s := httptest.NewServer(d)
	d.url = s.URL
	tb.Cleanup(func() {
		d.be(trouble{})
		s.CloseClientConnections()
		s.Close()
	})
	return d
}

// held keeps a process from ending what it fetches, until that is over.
var held = trouble{slow: patience, only: "file-"}

// be ends a trouble and begins another; none is the zero value.
func (d *door) be(t trouble) {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.mu.over)
	d.mu.trouble, d.mu.over = t, make(chan struct{})
}

// ServeHTTP implements http.Handler.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	t, over := d.mu.trouble, d.mu.over
	if !strings.Contains(r.URL.Path, t.only) || t.puts && r.Method != http.MethodPut {
		t = trouble{}
	}
	if t.tooFast > 0 {
		d.mu.tooFast--
	}
	d.mu.Unlock()
	if t != (trouble{}) {
		d.met.Add(1)
	}
	switch {
	case t.tooFast > 0:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	case t.away:
		panic(http.ErrAbortHandler)
	case t.silent:
		select {
		case <-over:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	case t.refuse:
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case t.slow > 0:
		select {
		case <-time.After(t.slow):
		case <-over:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	if t.lose > 0 && r.Method == http.MethodPut && d.puts.Add(1)%t.lose == 0 {
		d.proxy.ServeHTTP(nowhere{http.Header{}}, r)
		d.lost.Add(1)
		panic(http.ErrAbortHandler)
	}
	d.proxy.ServeHTTP(w, r)
}

// nowhere is where an answer goes that is lost.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n nowhere) WriteHeader(int)             {}
