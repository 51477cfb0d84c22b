package mirror

import (
	"context"
	"fmt"
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
	if !f.pipelines {
		time.Sleep(time.Millisecond) // no share grows for ever
	}
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

// TestFilesAreShared has a page be fetched by calls for few names each, and by calls for
// many where that takes no longer; also what a run before has only listed.
func TestFilesAreShared(t *testing.T) {
	for _, pipelines := range []bool{false, true} {
		for _, before := range []bool{false, true} {
			const files = 4 * batchSize
			f := &countingFetcher{pipelines: pipelines}
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
			want := firstShare
			if pipelines {
				want = batchSize
			}
			if f.sizes[0] != want || pipelines && len(f.sizes) != 4 || !pipelines && len(f.sizes) < 5 {
				t.Errorf("pipelines %v, listed before %v: calls for %v", pipelines, before, f.sizes)
			}
		}
	}
}

// TestShare has connections of many speeds, and a share follow them.
func TestShare(t *testing.T) {
	s := newShare(&countingFetcher{})
	if s.get() != firstShare {
		t.Errorf("at first %d", s.get())
	}
	for _, c := range []struct {
		file time.Duration
		want int
	}{{66 * time.Millisecond, leastShare}, {10 * time.Millisecond, 100}, {time.Microsecond, batchSize}, {2 * time.Millisecond, 500}, {time.Minute, leastShare}, {0, batchSize}} {
		for range 6 {
			n := s.get()
			s.took(n, time.Duration(n)*c.file)
			s.took(n/2, time.Duration(n/2)*c.file) // the last one of a page
			s.took(1, c.file)
		}
		if s.get() != c.want {
			t.Errorf("%v a file: %d, want %d", c.file, s.get(), c.want)
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
