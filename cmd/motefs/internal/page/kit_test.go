package page

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
)

// fakeSource is a process whose counts a test sets.
type fakeSource struct {
	mu     sync.Mutex
	status map[string]any
	meters Meters
	asks   int // for the status
}

func (f *fakeSource) asked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asks
}

func newFakeSource() *fakeSource {
	return &fakeSource{
		status: map[string]any{
			"state": "mirroring", "origin": "http://origin.test", "store": "/store", "version": "v0", "pid": 7, "command": "mount",
			"mountpoint": "/mnt", "listing_complete": true, "listed": 1000, "fetched": 10, "pending": 990, "failed": 0, "gone": 0,
			"failed_by_reason": map[string]int{}, "content_bytes": 12345, "files_per_second": 5, "mount": map[string]int{"errors": 0, "misses": 1},
		},
	}
}

func (f *fakeSource) Status() (whole, public any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asks++
	text := func(status map[string]any) any {
		text, err := json.Marshal(status)
		if err != nil {
			panic(err)
		}
		return json.RawMessage(text)
	}
	all := maps.Clone(f.status)
	delete(all, "last_error")
	return text(f.status), text(all)
}

func (f *fakeSource) Meters() Meters {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.meters
}

func (f *fakeSource) set(change func(status map[string]any, m *Meters)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f.status, &f.meters)
}

// openStore makes a store without files.
func openStore(tb testing.TB) *cache.Store {
	tb.Helper()
	s, err := cache.Open(cache.Options{Dir: tb.TempDir(), Origin: "http://origin.test", FlushEvery: -1})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// list lists names in a store; what is done with each is for do to say.
func list(tb testing.TB, s *cache.Store, names []string, do func(page *cache.Page, k int) error) {
	tb.Helper()
	planner, err := s.NewPlanner()
	if err != nil {
		tb.Fatal(err)
	}
	for len(names) > 0 {
		var some []cache.Name
		for _, n := range names[:min(len(names), cache.MaxPage)] {
			some = append(some, cache.Name{Origin: n, Size: -1})
		}
		names = names[len(some):]
		page, err := planner.Plan(some)
		if err == nil {
			err = page.Load()
		}
		for k := 0; err == nil && k < page.Len(); k++ {
			if page.Open(k) {
				err = do(page, k)
			}
		}
		if err == nil {
			err = page.Commit()
		}
		if err == nil {
			err = page.Close()
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
}

// put fetches a file with a content, pend leaves it pending, fails has it fail and gone has
// it be gone.
func put(content func(name string) string) func(*cache.Page, int) error {
	return func(page *cache.Page, k int) error {
		return page.Put(k, []byte(content(page.Name(k))), 1_700_000_000, nil)
	}
}

func pend(*cache.Page, int) error { return nil }

func fails(page *cache.Page, k int) error {
	page.Fail(k, cache.MayPass, errors.New("answered status 500"))
	return nil
}

func gone(page *cache.Page, k int) error { return page.Gone(k) }

// putBlob fetches a file that is too long for an entry.
func putBlob(content string) func(*cache.Page, int) error {
	return func(page *cache.Page, k int) error {
		w, err := page.NewBlob()
		if err == nil {
			_, err = io.WriteString(w, content)
		}
		if err == nil {
			err = page.PutBlob(k, w, 0, nil)
		}
		return err
	}
}

// heldTree has whoever asks for failures wait.
type heldTree struct {
	Tree
	begun, release chan struct{}
}

func (h *heldTree) Failures(cache.Inode, func(cache.Inode, cache.Failure) bool) error {
	close(h.begun)
	<-h.release
	return nil
}

// server serves a page of a store.
type server struct {
	*httptest.Server
	tb     testing.TB
	source *fakeSource
	page   *Page
}

func serve(tb testing.TB, tree Tree) *server {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	return serveOn(tb, l, tree, false)
}

func serveOn(tb testing.TB, l net.Listener, tree Tree, everyone bool) *server {
	tb.Helper()
	s := &server{tb: tb, source: newFakeSource()}
	s.page = Open(Options{Source: s.source, Tree: tree, Every: 20 * time.Millisecond, Everyone: everyone})
	s.Server = httptest.NewUnstartedServer(s.page)
	s.Listener.Close()
	s.Listener = l
	s.Start()
	tb.Cleanup(func() {
		if err := s.page.Close(); err != nil {
			tb.Error(err)
		}
		s.CloseClientConnections()
		s.Server.Close()
	})
	return s
}

// contextWith is a request's context on a connection that came to an address.
func contextWith(r *http.Request, local net.Addr) context.Context {
	return context.WithValue(r.Context(), http.LocalAddrContextKey, local)
}

// get asks for an address and decodes the answer, which has to have a status.
func (s *server) get(path string, status int, into any) http.Header {
	s.tb.Helper()
	res, err := http.Get(s.URL + path)
	if err != nil {
		s.tb.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.tb.Fatal(err)
	}
	if res.StatusCode != status {
		s.tb.Fatalf("%s: status %d, want %d: %s", path, res.StatusCode, status, body)
	}
	if into != nil {
		if err := json.Unmarshal(body, into); err != nil {
			s.tb.Fatalf("%s: %v: %s", path, err, body)
		}
	}
	return res.Header
}

func numbered(format string, n int) []string {
	var names []string
	for k := range n {
		names = append(names, fmt.Sprintf(format, k))
	}
	return names
}

func (n shownName) String() string { return strings.Join(n, "") }
