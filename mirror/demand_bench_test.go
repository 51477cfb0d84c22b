package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// BenchmarkDemand measures how long one reader waits for a file that is not
// here, stored when it returns: with nothing else going on, and beside a full
// mirror that runs flat out, as --prefetch-all does. The origin is in the same
// process, with latency as a longer wire has.
func BenchmarkDemand(b *testing.B) {
	for _, latency := range []time.Duration{0, 5 * time.Millisecond} {
		for _, mirroring := range []bool{false, true} {
			b.Run(fmt.Sprintf("latency=%v/mirroring=%v", latency, mirroring), func(b *testing.B) {
				benchDemand(b, latency, mirroring)
			})
		}
	}
}

func benchDemand(b *testing.B, latency time.Duration, mirroring bool) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 1_000_000_000})
	server, err := origintest.Open(serve.Options{GetLatency: latency}, src)
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	client, err := origin.New(origin.Options{BaseURL: server.URL()})
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	store, err := cache.Open(cache.Options{Dir: b.TempDir(), Origin: server.URL()})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	e, err := mirror.Open(mirror.Options{Store: store, Lister: client, Fetcher: client, Prefetch: true})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	ctx, stop := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	if mirroring {
		wg.Go(func() {
			if err := e.Run(ctx); !errors.Is(err, context.Canceled) {
				b.Error(err)
			}
		})
		for store.Progress().Fetched < 100_000 {
			time.Sleep(time.Millisecond)
		}
	}
	before, start := store.Progress().Fetched, time.Now()
	var took []time.Duration
	for b.Loop() {
		name := src.Name(src.Len()/2 + rand.Int64N(src.Len()/2))
		asked := time.Now()
		if _, err := e.Fetch(ctx, cache.RootInode, name); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(asked))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(float64(store.Progress().Fetched-before)/time.Since(start).Seconds(), "files/s")
}
