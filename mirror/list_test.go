package mirror_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
)

// madePage is a page that is made up: how many names it has, and how many bytes
// it says that it takes.
type madePage struct{ names, size int }

// madeOrigin is an origin of made-up pages; the marker of each is its number.
type madeOrigin struct {
	pages []madePage
	// onList and onFetch, where they are set, are called before an answer.
	onList  func(page int)
	onFetch func(ctx context.Context)

	mu struct {
		sync.Mutex
		undecoded, peak int // bytes of pages that were handed out
	}
}

func (o *madeOrigin) List(_ context.Context, marker string) (mirror.Page, error) {
	i, err := strconv.Atoi(marker)
	if marker != "" && err != nil {
		return mirror.Page{}, fmt.Errorf("%w: marker %q", mirror.ErrListing, marker)
	}
	if o.onList != nil {
		o.onList(i)
	}
	made := o.pages[i]
	o.hold(made.size)
	k := 0
	page := mirror.Page{Size: made.size, Decode: func(dst []mirror.Listed, most int, _ func(string, error)) ([]mirror.Listed, bool, error) {
		for range min(most, made.names-k) {
			dst = append(dst, mirror.Listed{Name: fmt.Sprintf("p%04d-%06d", i, k), Size: -1})
			k++
		}
		if k < made.names {
			return dst, true, nil
		}
		o.hold(-made.size)
		return dst, false, nil
	}}
	if i+1 < len(o.pages) {
		page.Next = strconv.Itoa(i + 1)
	}
	return page, nil
}

// hold counts the bytes of pages that are not decoded.
func (o *madeOrigin) hold(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mu.undecoded += n
	o.mu.peak = max(o.mu.peak, o.mu.undecoded)
}

func (o *madeOrigin) Fetch(ctx context.Context, names []string, to mirror.Receiver) error {
	if o.onFetch != nil {
		o.onFetch(ctx)
	}
	for i, name := range names {
		to.Receive(i, &mirror.Object{Body: []byte(name), Size: int64(len(name))}, nil)
	}
	return nil
}

func (o *madeOrigin) names() (n uint64) {
	for _, p := range o.pages {
		n += uint64(p.names)
	}
	return n
}

// mirrorMade mirrors the made-up origin into a store, and fails where it does
// not come to its end.
func mirrorMade(t *testing.T, o *madeOrigin, connections int) {
	t.Helper()
	store, err := cache.Open(cache.Options{Dir: t.TempDir(), Origin: "made", FlushEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	e, err := mirror.Open(mirror.Options{Store: store, Lister: o, Fetcher: o, Prefetch: true, Connections: connections, Grace: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := e.Run(ctx); err != nil {
		t.Fatalf("%v, with %d of %d names listed", err, store.Progress().Files, o.names())
	}
	if _, err := store.Verify(t.Context(), func(p string) { t.Error("verify: " + p) }); err != nil {
		t.Fatal(err)
	}
	if p := store.Progress(); !p.Complete() || p.Files != o.names() {
		t.Errorf("not complete with %d files: %+v", o.names(), p)
	}
}

// TestRestOfALongPageHoldsNoOther has a page whose names do not fill their last
// batch, before one for which there is no room beside it, while all connections
// are busy. Nothing is fetched until the page after these two is asked for.
func TestRestOfALongPageHoldsNoOther(t *testing.T) {
	third := make(chan struct{})
	const names = 160 // two batches and a half at first
	o := &madeOrigin{pages: []madePage{{names, 20 << 20}, {names, 20 << 20}, {names, 20 << 20}, {1, 100}}}
	o.onList = func(page int) {
		if page == 2 {
			close(third)
		}
	}
	var late atomic.Bool
	o.onFetch = func(context.Context) {
		select {
		case <-third:
		case <-time.After(5 * time.Second):
			if !late.Swap(true) {
				t.Error("the listing waits for files")
			}
		}
	}
	mirrorMade(t, o, 1)
}

// TestLongPagesInARow has pages of any length, up to the client's limit, with
// any number of names. They go through, and few of them wait to be decoded.
func TestLongPagesInARow(t *testing.T) {
	const longest = 64 << 20
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	o := &madeOrigin{}
	for range 200 {
		page := madePage{names: rng.IntN(3000), size: 1 + rng.IntN(longest)}
		if rng.IntN(4) == 0 {
			page = madePage{names: rng.IntN(30), size: 1000}
		}
		o.pages = append(o.pages, page)
	}
	mirrorMade(t, o, 1+rng.IntN(4))
	if o.mu.undecoded != 0 || o.mu.peak > 2*longest {
		t.Errorf("%d bytes were never decoded, %d waited at a time", o.mu.undecoded, o.mu.peak)
	}
}
