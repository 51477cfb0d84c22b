package origin

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/motefs/motefs/mirror/wire"
	"github.com/motefs/motefs/mirror/wire/wiretest"
)

func openOrigin(t testing.TB, o serve.Options, files serve.SyntheticOptions) (*origintest.Server, *serve.Synthetic) {
	t.Helper()
	src := serve.NewSynthetic(files)
	s, err := origintest.Open(o, origintest.Prefixed("ü&=?#%/+ ", src))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, src
}

// BenchmarkFetch measures batches of 1,000 files of 100 bytes against an origin
// in the same process; one operation is one file.
func BenchmarkFetch(b *testing.B) {
	run := func(url string, conns int, batch func(k, round int) []string) func(b *testing.B) {
		return func(b *testing.B) {
			c := newClient(b, at(url, wire.Options{Timeouts: wire.DefaultTimeouts}))
			b.ReportAllocs()
			var wg sync.WaitGroup
			for k := range conns {
				wg.Go(func() {
					names := batch(k, 0)
					for round := 0; round*len(names)*conns < b.N; round++ {
						c.Fetch(b.Context(), names, failOnError(b))
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "files/s")
		}
	}
	for _, conns := range []int{1, 2, 16} {
		s := wiretest.Replay(b)
		names := numbered(1000)
		b.Run(fmt.Sprintf("replay/conns=%d", conns), run(s.URL(), conns, func(int, int) []string { return names }))
	}
	for _, conns := range []int{1, 2, 16} {
		s, src := openOrigin(b, serve.Options{}, serve.SyntheticOptions{Files: 1_000_000_000})
		b.Run(fmt.Sprintf("origin/conns=%d", conns), run(s.URL(), conns, func(k, _ int) []string {
			names := make([]string, 1000)
			for i := range names {
				names[i] = src.Name(int64(k*1_000_000 + i))
			}
			return names
		}))
	}
}

// BenchmarkFetchKnown measures what it costs to hear that a file has not changed, by
// its ETag or its time, beside getting it whole; one operation is one file.
func BenchmarkFetchKnown(b *testing.B) {
	for _, size := range []int64{100, 1 << 10, 4 << 10, 16 << 10, 64 << 10} {
		s, src := openOrigin(b, serve.Options{}, serve.SyntheticOptions{Files: 1_000_000_000, BodySize: size, Validators: true})
		names := batchOf(src, 0, 1000)
		etags, times := make([][]byte, len(names)), make([]int64, len(names))
		for i, name := range names {
			var o serve.Object
			if err := src.Get([]byte(name), &o); err != nil {
				b.Fatal(err)
			}
			etags[i], times[i] = o.ETag, o.ModTime.Unix()
		}
		for _, by := range []struct {
			what  string
			known func(i int) ([]byte, int64)
		}{
			{"whole", nil},
			{"etag", func(i int) ([]byte, int64) { return etags[i], times[i] }},
			{"time", func(i int) ([]byte, int64) { return nil, times[i] }},
		} {
			b.Run(fmt.Sprintf("size=%d/%s", size, by.what), func(b *testing.B) {
				c := newClient(b, at(s.URL(), wire.Options{Timeouts: wire.DefaultTimeouts}))
				r := receiveOnly(func(_ int, _ *mirror.Object, err error) {
					if (by.known != nil) != errors.Is(err, mirror.ErrNotModified) {
						b.Error(err)
					}
				})
				r.Known = by.known
				b.ReportAllocs()
				var wg sync.WaitGroup
				for range 2 {
					wg.Go(func() {
						for done := 0; done < b.N/2; done += len(names) {
							c.Fetch(b.Context(), names[:min(len(names), b.N/2-done)], r)
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "files/s")
			})
		}
	}
}

// BenchmarkFetchOne measures a reader's miss: one file, nothing pipelined.
func BenchmarkFetchOne(b *testing.B) {
	s, src := openOrigin(b, serve.Options{}, serve.SyntheticOptions{Files: 1000})
	c := newClient(b, at(s.URL(), wire.Options{Timeouts: wire.DefaultTimeouts}))
	names := []string{src.Name(7)}
	b.ReportAllocs()
	for b.Loop() {
		c.Fetch(b.Context(), names, failOnError(b))
	}
}

// BenchmarkPage measures the decoding of a page of 1,000 names, and of one of
// 10,000; one operation is one name.
func BenchmarkPage(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		page, err := json.Marshal(map[string]any{"FileNames": numbered(n), "NextFile": "dir/file-0001000"})
		if err != nil {
			b.Fatal(err)
		}
		perName := func(b *testing.B, decode func()) {
			b.ReportAllocs()
			for i := 0; i < b.N; i += n {
				decode()
			}
		}
		b.Run(fmt.Sprintf("skim/names=%d", n), func(b *testing.B) {
			perName(b, func() {
				s := skimmer{b: page}
				if err := s.page(); err != nil {
					b.Fatal(err)
				}
			})
		})
		b.Run(fmt.Sprintf("skim+names/names=%d", n), func(b *testing.B) {
			var dst []mirror.Listed
			perName(b, func() {
				s := skimmer{b: page}
				if err := s.page(); err != nil {
					b.Fatal(err)
				}
				left := n
				for d := s.decoder(); d.left > 0; left -= len(dst) {
					var err error
					if dst, err = d.next(dst[:0], 1000, nil); err != nil {
						b.Fatal(err)
					}
				}
				if left != 0 {
					b.Fatal(left)
				}
			})
		})
		var files []map[string]any
		for _, name := range numbered(n) {
			files = append(files, map[string]any{"name": name, "size": 100, "mtime": "2023-11-14T22:13:20Z", "etag": "d41d8cd98f00b204"})
		}
		objects, err := json.Marshal(map[string]any{"files": files, "next": "dir/file-0001000"})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("words/objects=%d", n), func(b *testing.B) {
			w := &words{names: "files", next: "next", name: "name", size: "size", modTime: "mtime", etag: "etag"}
			var dst []mirror.Listed
			perName(b, func() {
				s := wordSkimmer{skimmer: skimmer{b: objects}, words: w}
				if err := s.page(); err != nil {
					b.Fatal(err)
				}
				for d := s.decoder(); d.more() > 0; {
					var err error
					if dst, err = d.next(dst[:0], 1000, nil); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
		b.Run(fmt.Sprintf("encoding/json/names=%d", n), func(b *testing.B) {
			perName(b, func() {
				var v struct {
					FileNames []string
					NextFile  string
				}
				if err := json.Unmarshal(page, &v); err != nil || len(v.FileNames) != n {
					b.Fatal(err)
				}
			})
		})
	}
}
