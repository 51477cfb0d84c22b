package origintest

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/motefs/motefs/mirror/origin/serve"
)

// Server is an origin that is being served, and misbehaves when told to.
type Server struct {
	*serve.Server
	source source
	names  atomic.Pointer[nameCounts] // nil unless names are counted
}

// Open listens and begins to serve src. The source belongs to the caller and
// must stay open until Close has returned.
func Open(o serve.Options, src serve.Source) (*Server, error) {
	s := &Server{source: source{Source: src}}
	o.Intercept = s.intercept
	var err error
	if s.Server, err = serve.Open(o, &s.source); err != nil {
		return nil, err
	}
	return s, nil
}

// New is Open of a server that the test closes.
func New(tb testing.TB, o serve.Options, src serve.Source) *Server {
	tb.Helper()
	s, err := Open(o, src)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
		if tb.Failed() {
			tb.Logf("the origin did: %+v", s.Counts())
		}
	})
	return s
}

// intercept counts the names that are asked for and picks the fault.
func (s *Server) intercept(r *serve.Request) serve.Writer {
	if names := s.names.Load(); names != nil && !r.List {
		names.add(r.Name)
	}
	hooks := s.source.faults.Load()
	if hooks == nil {
		return nil
	}
	if r.List && hooks.PageSize != nil {
		r.PageSize = hooks.PageSize(string(r.Name)) // of S3; else the source below makes it short
	}
	picked := hooks.pick(r)
	r.Unconditional = picked.NoRange
	if picked.isZero() {
		return nil
	}
	fault := picked // on the heap, only where there is one
	return fault.write
}

// SetFaults replaces the hooks, also while requests are being served. A zero
// Faults takes them away.
func (s *Server) SetFaults(f Faults) {
	if f.OnGet == nil && f.OnRange == nil && f.OnList == nil && f.PageSize == nil {
		s.source.faults.Store(nil)
		return
	}
	s.source.faults.Store(&faultState{Faults: f})
}

// source is a source whose pages are as long as a hook says.
type source struct {
	serve.Source
	faults atomic.Pointer[faultState]
}

// emptyMark before a marker says that an empty page came before.
const emptyMark = "~"

// Page lists the page at marker, or no names for a limit of 0.
func (s *source) Page(marker string, limit int, add func(name []byte)) (next string, err error) {
	return s.TaggedPage(marker, limit, nil, add)
}

// TaggedPage is Page with the ETag of the source below, where that has one. A nil
// told is not told.
func (s *source) TaggedPage(marker string, limit int, told func(etag []byte) bool, add func(name []byte)) (next string, err error) {
	if hooks := s.faults.Load(); hooks != nil && hooks.PageSize != nil {
		limit = hooks.PageSize(marker)
	}
	if limit <= 0 {
		return emptyMark + marker, nil
	}
	marker = strings.TrimLeft(marker, emptyMark)
	if tagger, ok := s.Source.(serve.PageTagger); ok && told != nil {
		return tagger.TaggedPage(marker, limit, told, add)
	}
	return s.Source.Page(marker, limit, add)
}

// Keys is Keys of the source below, where that has them.
func (s *source) Keys(from []byte, add func(*serve.Key) bool) error {
	if lister, ok := s.Source.(serve.KeyLister); ok {
		return lister.Keys(from, add)
	}
	return serve.ErrUnordered
}

// nameCounts counts gets by name.
type nameCounts struct {
	mu struct {
		sync.Mutex
		gets map[string]int
	}
}

// add counts one get of name.
func (n *nameCounts) add(name []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.gets[string(name)]++
}

// CountNames begins to count gets by name, for Gets and Names. It costs memory
// for each name.
func (s *Server) CountNames() {
	n := &nameCounts{}
	n.mu.gets = make(map[string]int)
	s.names.Store(n)
}

// Gets returns how often name was asked for since CountNames.
func (s *Server) Gets(name string) int {
	n := s.names.Load()
	if n == nil {
		return 0
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.gets[name]
}

// Names returns how many different names were asked for since CountNames.
func (s *Server) Names() int {
	n := s.names.Load()
	if n == nil {
		return 0
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.mu.gets)
}
