package origin

import (
	"crypto/tls"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/motefs/motefs/mirror/wire"
)

// batchOf are n files of a synthetic origin from file from on.
func batchOf(src *serve.Synthetic, from, n int64) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = src.Name(from + int64(i))
	}
	return names
}

func failOnError(b *testing.B) mirror.Receiver {
	return receiveOnly(func(_ int, _ *mirror.Object, err error) {
		if err != nil {
			b.Error(err)
		}
	})
}

// probing is how many files a call has to have to make the probe.
const probing = 64

// fetchFlat fetches b.N files on so many connections, in batches of 1,000 or, where
// there are too few files for that, as many for each connection.
func fetchFlat(b *testing.B, c *Client, src *serve.Synthetic, conns int) {
	batch := min(1000, int64(b.N/conns+1))
	deliver := failOnError(b)
	// Connections are opened before, and the probe is made.
	var wg sync.WaitGroup
	for k := range conns {
		wg.Go(func() { c.Fetch(b.Context(), batchOf(src, int64(k)*probing, probing), deliver) })
	}
	wg.Wait()
	b.ResetTimer()
	var next atomic.Int64
	for range conns {
		wg.Go(func() {
			for {
				from := next.Add(batch) - batch
				if from >= int64(b.N) {
					return
				}
				c.Fetch(b.Context(), batchOf(src, from, min(batch, int64(b.N)-from)), deliver)
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "files/s")
}

// BenchmarkFetchLatency measures what the depth of a pipeline is worth at a
// distance: files of 100 bytes from an origin in the same process, each answer
// given no earlier than the latency after its request. One operation is one
// file. Depth 0 is a whole batch of 1,000 at once, after a probe.
func BenchmarkFetchLatency(b *testing.B) {
	for _, latency := range []time.Duration{1, 20, 100} {
		s, src := openOrigin(b, serve.Options{GetLatency: latency * time.Millisecond}, serve.SyntheticOptions{Files: 1_000_000_000})
		for _, conns := range []int{4, 16, 64} {
			for _, depth := range []int{1, 16, 128, 0} {
				b.Run(fmt.Sprintf("latency=%dms/conns=%d/depth=%d", latency, conns, depth), func(b *testing.B) {
					c := newAuto(b, at(s.URL(), wire.Options{Pipeline: depth, Timeouts: wire.DefaultTimeouts}))
					fetchFlat(b, c, src, conns)
				})
			}
		}
	}
}

// BenchmarkFetchTLS measures https against http.
func BenchmarkFetchTLS(b *testing.B) {
	server, roots, err := origintest.SelfSigned()
	if err != nil {
		b.Fatal(err)
	}
	for _, kind := range []string{"http", "https"} {
		var o serve.Options
		if kind == "https" {
			o.TLS = server
		}
		s, src := openOrigin(b, o, serve.SyntheticOptions{Files: 1_000_000_000})
		for _, depth := range []int{1, 0} {
			b.Run(fmt.Sprintf("%s/depth=%d", kind, depth), func(b *testing.B) {
				c := newAuto(b, at(s.URL(), wire.Options{Pipeline: depth, TLS: &tls.Config{RootCAs: roots}, Timeouts: wire.DefaultTimeouts}))
				b.ReportAllocs()
				fetchFlat(b, c, src, 16)
			})
		}
	}
}

// BenchmarkDemandUnderLoad measures a reader's miss, which is a Fetch of one
// name, while so many goroutines fetch batches of 1,000 flat out by the same
// client.
func BenchmarkDemandUnderLoad(b *testing.B) {
	s, src := openOrigin(b, serve.Options{}, serve.SyntheticOptions{Files: 1_000_000_000})
	for _, load := range []int{0, 16} {
		b.Run(fmt.Sprintf("batches=%d", load), func(b *testing.B) {
			c := newAuto(b, at(s.URL(), wire.Options{Timeouts: wire.DefaultTimeouts}))
			deliver := failOnError(b)
			c.Fetch(b.Context(), batchOf(src, 0, 1000), deliver) // the probe
			var wg sync.WaitGroup
			var stop atomic.Bool
			var files atomic.Int64
			for k := range load {
				wg.Go(func() {
					names := batchOf(src, int64(k+1)*1_000_000, 1000)
					for !stop.Load() {
						c.Fetch(b.Context(), names, deliver)
						files.Add(int64(len(names)))
					}
				})
			}
			name := make([]string, 1)
			var took []time.Duration
			for i := int64(0); b.Loop(); i++ {
				name[0] = src.Name(100_000_000 + i)
				start := time.Now()
				c.Fetch(b.Context(), name, deliver)
				took = append(took, time.Since(start))
			}
			elapsed := b.Elapsed()
			stop.Store(true)
			wg.Wait()
			slices.Sort(took)
			micros := func(share int) float64 { return float64(took[len(took)*share/1000].Nanoseconds()) / 1000 }
			b.ReportMetric(micros(500), "p50-µs")
			b.ReportMetric(micros(990), "p99-µs")
			b.ReportMetric(float64(files.Load())/elapsed.Seconds(), "batch-files/s")
		})
	}
}
