package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/rs/zerolog"
)

// expire has the origin answer the marker at which the store's listing stopped
// with fault, as often as it is asked before another; that is once, unless the
// engine asks again.
func (r *rig) expire(fault origintest.Fault) (asked *atomic.Int32) {
	asked = new(atomic.Int32)
	expired, over := r.store.Progress().Marker, atomic.Bool{}
	if expired == "" {
		r.t.Fatal("there is no checkpoint to go on from")
	}
	r.server.SetFaults(origintest.Faults{OnList: func(marker string, _ int) origintest.Fault {
		if marker == expired && !over.Load() {
			asked.Add(1)
			return fault
		}
		over.Store(true)
		return origintest.Fault{}
	}})
	return asked
}

// stop runs a mirror until the origin was asked for n files or, by a run that
// fetches nothing, for that many names, and again where that left no checkpoint.
func (r *rig) stop(n int, change func(*mirror.Options)) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stop := func(k int) origintest.Fault {
		if k >= n {
			cancel()
		}
		return origintest.Fault{}
	}
	r.server.SetFaults(origintest.Faults{
		OnGet:  func(_ []byte, k int) origintest.Fault { return stop(k) },
		OnList: func(_ string, k int) origintest.Fault { return stop(100 * k) },
	})
	if err := r.runUntil(ctx, change); !errors.Is(err, context.Canceled) {
		r.t.Fatalf("a stopped run gives %v", err)
	}
	r.reconnect()
	r.server.SetFaults(origintest.Faults{})
	if r.store.Progress().Marker == "" {
		r.stop(n, change)
	}
}

// reopen closes the store and opens it again.
func (r *rig) reopen() {
	r.t.Helper()
	dir := r.store.Dir()
	r.must(r.store.Close())
	var err error
	r.store, err = cache.Open(cache.Options{Dir: dir, Origin: r.server.URL(), FlushEvery: -1})
	r.must(err)
	r.t.Cleanup(func() { r.must(r.store.Close()) })
}

func warnings(log *strings.Builder) func(*mirror.Options) {
	return func(o *mirror.Options) { o.Log = zerolog.New(log).Level(zerolog.WarnLevel) }
}

// TestExpiredMarker has an origin that does not know the marker of an earlier run
// any more, in each way to say so.
func TestExpiredMarker(t *testing.T) {
	const files = 6000
	for what, fault := range map[string]origintest.Fault{
		"400":           {Status: 400},
		"403":           {Status: 403},
		"404":           {Status: 404},
		"410":           {Status: 410},
		"elsewhere":     {Location: "http://127.0.0.2:1/login"},
		"login page":    {Body: []byte("<html><body>Please log in</body></html>")},
		"error as JSON": {Body: []byte(`{"error": "marker expired"}`)},
	} {
		for _, o := range []serve.SyntheticOptions{{Files: files}, {Files: files, FilesPerDir: 70, Shuffle: true}} {
			if o.Shuffle && what != "410" {
				continue
			}
			t.Run(fmt.Sprintf("%s, shuffled %v", what, o.Shuffle), func(t *testing.T) {
				src := serve.NewSynthetic(o)
				r := newRig(t, serve.Options{PageSize: 100}, src)
				r.stop(2500, nil)
				before := r.store.Progress()
				asked := r.expire(fault)
				gets, again := r.gets(), r.client.Counts().Again
				var log strings.Builder
				r.must(r.run(warnings(&log)))
				r.complete(files)
				r.same(src)
				// On a slow machine a round may be given up, of which the client counts
				// what it asked for again.
				if n, missing := r.gets()-gets, files-int64(before.Fetched); n < missing || n > missing+r.client.Counts().Again-again {
					t.Errorf("%d gets for %d files that were missing", n, files-before.Fetched)
				}
				if n := strings.Count(log.String(), "\n"); n != 1 || asked.Load() > 2 { // once more on a new connection
					t.Errorf("%d warnings, the marker was asked for %d times: %s", n, asked.Load(), log.String())
				}
				if p := r.store.Progress(); p.Unchecked != 0 {
					t.Errorf("it was not looked for names that were listed twice: %+v", p)
				}
			})
		}
	}
}

// TestExpiredMarkerStoppedAgain stops the second listing, and the third, in the
// middle, and closes the store.
func TestExpiredMarkerStoppedAgain(t *testing.T) {
	const files = 6000
	for _, prefetch := range []bool{true, false} {
		for _, shuffle := range []bool{false, true} {
			t.Run(fmt.Sprintf("prefetch %v, shuffled %v", prefetch, shuffle), func(t *testing.T) {
				seed := rand.Uint64()
				t.Logf("seed %d", seed)
				rng := rand.New(rand.NewPCG(seed, 1))
				src := serve.NewSynthetic(serve.SyntheticOptions{Files: files, FilesPerDir: 1000, Shuffle: shuffle})
				r := newRig(t, serve.Options{PageSize: 100}, src)
				change := func(o *mirror.Options) { o.Prefetch = prefetch }
				r.stop(4000, change)
				for range 4 {
					if r.store.Progress().Marker == "" {
						r.stop(1000, change)
					}
					r.expire(origintest.Fault{Status: 410})
					ctx, cancel := context.WithCancel(context.Background())
					lists, n := int64(1+rng.IntN(55)), atomic.Int64{}
					e := r.engine(func(o *mirror.Options) {
						change(o)
						o.Lister = listerFunc(func(ctx context.Context, marker string) (mirror.Page, error) {
							if n.Add(1) == lists {
								cancel()
							}
							return r.client.List(ctx, marker)
						})
					})
					if err := e.Run(ctx); !errors.Is(err, context.Canceled) {
						t.Fatalf("a stopped run gives %v", err)
					}
					r.must(e.Close())
					r.reopen()
					r.verify()
					if p := r.store.Progress(); p.ListingComplete || p.Complete() {
						t.Fatalf("complete in the middle of a listing: %+v", p)
					}
				}
				r.server.SetFaults(origintest.Faults{})
				missing, gets := files-int64(r.store.Progress().Fetched), r.gets()
				r.must(r.run(nil))
				r.complete(files)
				r.same(src)
				if n := r.gets() - gets; n != missing {
					t.Errorf("%d gets for %d files that were missing", n, missing)
				}
				if p := r.store.Progress(); p.Unchecked != 0 {
					t.Errorf("it was not looked for names that were listed twice: %+v", p)
				}
			})
		}
	}
}

// TestNoPageAtAll has the first page fail as well: that is an error, and the
// checkpoint stays for when the origin is well again.
func TestNoPageAtAll(t *testing.T) {
	r := newRig(t, serve.Options{PageSize: 100}, serve.NewSynthetic(serve.SyntheticOptions{Files: 3000}))
	r.stop(1500, nil)
	before := r.store.Progress()
	r.server.SetFaults(origintest.Faults{OnList: func(string, int) origintest.Fault { return origintest.Fault{Status: 401} }})
	err := r.run(nil)
	if status, ok := errors.AsType[*mirror.StatusError](err); !ok || status.Code != 401 || !strings.Contains(err.Error(), before.Marker) {
		t.Errorf("an origin that refuses all pages gives %v", err)
	}
	if p := r.store.Progress(); p.Marker != before.Marker || p.Listed != before.Listed {
		t.Errorf("the checkpoint moved from %+v to %+v", before, p)
	}
	r.server.SetFaults(origintest.Faults{})
	r.must(r.run(nil))
	r.complete(3000)
}

// TestMarkerThatMayComeBack has errors of the marker that say nothing of whether
// the origin knows it: the listing is not begun again for them.
func TestMarkerThatMayComeBack(t *testing.T) {
	for what, fault := range map[string]origintest.Fault{
		"status 503": {Status: 503},
		"cut":        {Mode: origintest.Cut},
		"too long":   {Mode: origintest.Raw, Body: []byte("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"), Close: true},
	} {
		t.Run(what, func(t *testing.T) {
			r := newRig(t, serve.Options{PageSize: 100}, serve.NewSynthetic(serve.SyntheticOptions{Files: 3000}))
			r.stop(1500, nil)
			before := r.store.Progress()
			r.expire(fault)
			if err := r.run(soon); err == nil {
				t.Error("no error")
			}
			if p := r.store.Progress(); p.Marker != before.Marker {
				t.Errorf("the checkpoint moved from %+v to %+v", before, p)
			}
			r.server.SetFaults(origintest.Faults{})
			r.must(r.run(nil))
			r.complete(3000)
		})
	}
}

type listerFunc func(ctx context.Context, marker string) (mirror.Page, error)

func (f listerFunc) List(ctx context.Context, marker string) (mirror.Page, error) {
	return f(ctx, marker)
}
