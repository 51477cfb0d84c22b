package origin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/motefs/motefs/mirror/wire"
)

// walk lists everything.
func walk(t *testing.T, c *Client) (all []string) {
	t.Helper()
	for marker := ""; ; {
		page, err := c.List(t.Context(), marker)
		if err != nil {
			t.Fatal(err)
		}
		entries, _, err := decode(page, nil, 1000)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, names(entries)...)
		if marker = page.Next; marker == "" {
			return all
		}
	}
}

// TestWalk lists and fetches a whole origin, in all the ways in which it can be
// reached.
func TestWalk(t *testing.T) {
	server, roots, err := origintest.SelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]serve.Options{
		"plain":     {PageSize: 700},
		"tls":       {TLS: server},
		"base":      {BasePath: "/v1/%20/files", PageSize: 700},
		"token":     {Token: "secret"},
		"keepalive": {MaxRequestsPerConn: 77},
		"one":       {MaxRequestsPerConn: 1, PageSize: 2000},
	} {
		t.Run(name, func(t *testing.T) {
			s, src := openOrigin(t, o, serve.SyntheticOptions{Files: 5000, VarySize: true, LargeEvery: 999, LargeSize: 100 << 10, FilesPerDir: 100, Validators: true})
			mine := at(s.URL(), wire.Options{TLS: &tls.Config{RootCAs: roots}})
			if o.Token != "" {
				mine.Header = http.Header{"Authorization": {"Bearer " + o.Token}}
			}
			c := newClient(t, mine)
			all := walk(t, c)
			if len(all) != 5000 {
				t.Fatalf("%d names", len(all))
			}
			for batch := range slices.Chunk(all, 1000) {
				for i, r := range fetchAll(t, c, batch...) {
					checkSynthetic(t, src, batch[i], r)
				}
			}
			if counts := s.Counts(); counts.Status[200]+counts.Status[206] != counts.Gets+counts.Lists || counts.Status[206] > counts.Gets/100 { // guards are parts
				t.Errorf("%+v", counts)
			}
		})
	}
}

func checkSynthetic(t *testing.T, src *serve.Synthetic, name string, r result) {
	t.Helper()
	index, _ := src.Index([]byte(name))
	var o serve.Object
	if err := src.Get([]byte(name), &o); err != nil || o.At != nil {
		t.Errorf("%s: %v", name, err)
	}
	if r.err != nil || r.body != string(o.Body) || r.obj.ModTime != src.ModTime(index).Unix() || len(r.obj.ETag) == 0 {
		t.Errorf("%s: %d bytes, %+v, %v", name, len(r.body), r.obj, r.err)
	}
}

// TestHostileNames lists and fetches names that somebody might want to clean.
func TestHostileNames(t *testing.T) {
	all := []string{"a//b", "a/../b", "..", ".", "./a", "/abs", "//", "a/", "%2e", "a%2Fb", "a+b c", "?q=1", "#f", "\x00", "\r\nX: y",
		"\xff\xfe", "a\xc3", "ü", "😀", "\"quoted\\\"", "\u2028", "http://example.com/", "a:b", "~user", strings.Repeat("long", 1000)}
	var files []origintest.File
	for _, name := range all {
		files = append(files, origintest.File{Name: name, Body: []byte("body of " + name)})
	}
	s, err := origintest.Open(serve.Options{PageSize: 4}, origintest.NewFiles(files...))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := newClient(t, Options{BaseURL: s.URL()})
	got := walk(t, c)
	if !slices.Equal(got, all) {
		t.Fatalf("%q\nwant %q", got, all)
	}
	for i, r := range fetchAll(t, c, got...) {
		if r.err != nil || r.body != "body of "+all[i] {
			t.Errorf("%q: %q, %v", all[i], r.body, r.err)
		}
	}
}

// TestRandomFaults has every kind of fault at random, under many calls at once.
// Whatever is delivered without an error is right, and in the end all of it is.
func TestRandomFaults(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	s, src := openOrigin(t, serve.Options{MaxRequestsPerConn: 150}, serve.SyntheticOptions{Files: 3000, VarySize: true, LargeEvery: 500, LargeSize: 70 << 10, Validators: true})
	faults := []origintest.Fault{
		{Mode: origintest.Cut}, {Mode: origintest.Cut, Reset: true}, {Mode: origintest.CutBody, N: 3}, {Mode: origintest.Chunked, N: 7},
		{Mode: origintest.UntilClose}, {Mode: origintest.Interim, N: 103}, {Status: 503}, {Status: 404}, {Close: true},
		{Mode: origintest.Raw, Body: []byte("garbage")}, {Mode: origintest.Length, N: 5}, {Status: 302, Location: "http://example.com/"},
	}
	s.SetFaults(origintest.Faults{OnGet: func(name []byte, n int) origintest.Fault {
		r := rand.New(rand.NewPCG(seed, uint64(n)))
		if r.IntN(50) > 0 {
			return origintest.Fault{}
		}
		return faults[r.IntN(len(faults))]
	}})
	c := newClient(t, Options{BaseURL: s.URL()})
	all := walk(t, c)
	var wg sync.WaitGroup
	for chunk := range slices.Chunk(all, 500) {
		wg.Go(func() {
			todo := chunk
			for tries := 0; len(todo) > 0; tries++ {
				if tries == 100 {
					t.Errorf("%d names never came", len(todo))
					return
				}
				batch := todo
				todo = nil
				results, err := fetchCtx(t.Context(), t, c, batch)
				if err != nil {
					t.Error(err)
				}
				for i, r := range results {
					if r.err != nil {
						todo = append(todo, batch[i])
						continue
					}
					checkSynthetic(t, src, batch[i], r)
				}
			}
		})
	}
	wg.Wait()
}

// TestCloseWhileBusy closes a client in the middle of many calls.
func TestCloseWhileBusy(t *testing.T) {
	s, _ := openOrigin(t, serve.Options{}, serve.SyntheticOptions{Files: 2000})
	c := newClient(t, Options{BaseURL: s.URL()})
	all := walk(t, c)
	var done atomic.Int32
	enough := make(chan struct{})
	var wg sync.WaitGroup
	for k := range 8 {
		wg.Go(func() {
			for round := 0; ; round++ {
				if done.Add(1) == 40 {
					close(enough)
				}
				if k == 0 {
					if _, err := c.List(context.Background(), ""); errors.Is(err, mirror.ErrClosed) {
						return
					}
				}
				results, err := fetchCtx(context.Background(), t, c, all[:100*k+1])
				for i, r := range results {
					if r.err != nil && !errors.Is(r.err, mirror.ErrClosed) || r.err != nil && err == nil {
						t.Errorf("%s: %v, and Fetch returned %v", all[i], r.err, err)
					}
				}
				if errors.Is(err, mirror.ErrClosed) {
					return
				}
				if err != nil {
					t.Error(fmt.Errorf("round %d: %w", round, err))
				}
			}
		})
	}
	<-enough
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
}
