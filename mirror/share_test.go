package mirror

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// countingFetcher has every file at once, and counts those of each call.
type countingFetcher struct {
	pipelines bool
	mu        sync.Mutex
	sizes     []int
}

func (f *countingFetcher) Pipelines() bool { return f.pipelines }

func (f *countingFetcher) Fetch(_ context.Context, names []string, r Receiver) error {
	f.mu.Lock()
	f.sizes = append(f.sizes, len(names))
	f.mu.Unlock()
	for i := range names {
		r.Receive(i, &Object{Body: []byte("x"), Size: 1}, nil)
	}
	return nil
}

// madeListing is a listing of one page.
type madeListing int

func (n madeListing) List(context.Context, string) (Page, error) {
	listed := 0
	return Page{Decode: func(dst []Listed, most int, _ func(string, error)) ([]Listed, bool, error) {
		for range min(most, int(n)-listed) {
			dst = append(dst, Listed{Name: fmt.Sprintf("%08d", listed), Size: -1})
			listed++
		}
		return dst, listed < int(n), nil
	}}, nil
}

// TestFilesAreShared has a page be fetched by calls for few names each, as long as nothing
// is known of the server; also what a run before has only listed.
func TestFilesAreShared(t *testing.T) {
	for _, before := range []bool{false, true} {
		const files = 4 * batchSize
		f := &countingFetcher{}
		store := openStore(t)
		o := Options{Store: store, Lister: madeListing(files), Fetcher: f, Prefetch: true, Connections: 4, Log: zerolog.Nop()}
		if before {
			listing := o
			listing.Prefetch = false
			runOnce(t, listing)
			if p := store.Progress(); p.Fetched != 0 || !p.ListingComplete {
				t.Fatalf("%+v", p)
			}
		}
		runOnce(t, o)
		if p := store.Progress(); p.Fetched != files {
			t.Fatalf("%+v", p)
		}
		if f.sizes[0] > firstShare || len(f.sizes) < 8 || slices.Max(f.sizes) > batchSize {
			t.Errorf("listed before %v: calls for %v", before, f.sizes)
		}
	}
}

// TestShare has connections of many speeds, and a share follow them.
func TestShare(t *testing.T) {
	f := &countingFetcher{}
	s := newShare(f)
	if s.get() != firstShare {
		t.Errorf("at first %d", s.get())
	}
	const ms = time.Millisecond
	for _, c := range []struct {
		ahead bool
		far   time.Duration // for each call
		file  time.Duration // and for each file
		want  int
	}{
		{false, 0, 66 * ms, leastShare}, {false, 0, 10 * ms, 100}, {false, 0, time.Microsecond, batchSize},
		{false, 0, 2 * ms, 500}, {false, 0, time.Minute, leastShare}, {false, 0, 0, batchSize},
		{true, 0, 8 * ms, 500}, {true, 2 * time.Second, time.Microsecond, batchSize}, {true, 0, time.Second, leastShare},
	} {
		f.pipelines = c.ahead
		for range 6 {
			n := s.get()
			s.took(n, c.far+time.Duration(n)*c.file)
			s.took(n/2, c.far+time.Duration(n/2)*c.file) // the last one of a page
			s.took(1, c.far+c.file)
		}
		if s.get() != c.want {
			t.Errorf("%+v: %d", c, s.get())
		}
	}
}

func runOnce(t *testing.T, o Options) {
	t.Helper()
	e, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Run(t.Context()); err != nil {
		t.Error(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
