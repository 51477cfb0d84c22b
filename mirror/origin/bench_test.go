package origin

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
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

// TestAllocations wants no allocation for a file: the same few for a batch,
// however long.
func TestAllocations(t *testing.T) {
	s := replay(t)
	explicit, proven := newClient(t, Options{BaseURL: s.url()}), newAuto(t, Options{BaseURL: s.url()})
	proven.pipelining.turnOn()
	for _, c := range []*Client{explicit, proven} {
		checkAllocations(t, c)
	}
}

func checkAllocations(t *testing.T, c *Client) {
	t.Helper()
	deliver := func(_ int, obj *mirror.Object, err error) {
		if err != nil || len(obj.ETag) == 0 || obj.ModTime == 0 {
			t.Fatalf("%+v, %v", obj, err)
		}
	}
	perBatch := func(n int) float64 {
		names := numbered(n)
		c.Fetch(t.Context(), names, deliver)
		return testing.AllocsPerRun(20, func() { c.Fetch(t.Context(), names, deliver) })
	}
	few, many := perBatch(100), perBatch(3100)
	if perFile := (many - few) / 3000; perFile > 0.01 {
		t.Errorf("%.3f allocations a file (%v for 100 files, %v for 3100)", perFile, few, many)
	}
	if few > 40 {
		t.Errorf("%v allocations a batch", few)
	}
}

// replay is an origin that allocates nothing: it counts requests by their
// length, which numbered gives, and answers each with the same bytes.
func replay(t testing.TB) *rawServer {
	const answer = "HTTP/1.1 200 OK\r\nServer: nginx/1.24.0\r\nContent-Type: application/octet-stream\r\nContent-Length: 100\r\n" +
		"Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nETag: \"6544-64\"\r\n\r\n"
	const one = len(answer) + 100
	return serveRaw(t, func(c *rawConn) {
		answers := []byte(strings.Repeat(answer+strings.Repeat("x", 100), 1000))
		buf, length, have := make([]byte, 64<<10), 0, 0
		for {
			n, err := c.Conn.Read(buf)
			if err != nil {
				return
			}
			if length == 0 {
				length = strings.Index(string(buf[:n]), "\r\n\r\n") + 4
			}
			for have += n; have >= length; {
				k := min(have/length, 1000)
				if _, err := c.Write(answers[:k*one]); err != nil {
					return
				}
				have -= k * length
			}
		}
	})
}

// BenchmarkFetch measures batches of 1,000 files of 100 bytes against an origin
// in the same process; one operation is one file.
func BenchmarkFetch(b *testing.B) {
	run := func(url string, conns int, batch func(k, round int) []string) func(b *testing.B) {
		return func(b *testing.B) {
			c := newClient(b, Options{BaseURL: url, timing: defaultTiming})
			b.ReportAllocs()
			var wg sync.WaitGroup
			for k := range conns {
				wg.Go(func() {
					names := batch(k, 0)
					for round := 0; round*len(names)*conns < b.N; round++ {
						c.Fetch(b.Context(), names, func(i int, _ *mirror.Object, err error) {
							if err != nil {
								b.Error(err)
							}
						})
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "files/s")
		}
	}
	for _, conns := range []int{1, 2, 16} {
		s := replay(b)
		names := numbered(1000)
		b.Run(fmt.Sprintf("replay/conns=%d", conns), run(s.url(), conns, func(int, int) []string { return names }))
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

// BenchmarkFetchOne measures a reader's miss: one file, nothing pipelined.
func BenchmarkFetchOne(b *testing.B) {
	s, src := openOrigin(b, serve.Options{}, serve.SyntheticOptions{Files: 1000})
	c := newClient(b, Options{BaseURL: s.URL(), timing: defaultTiming})
	names := []string{src.Name(7)}
	b.ReportAllocs()
	for b.Loop() {
		c.Fetch(b.Context(), names, func(_ int, _ *mirror.Object, err error) {
			if err != nil {
				b.Error(err)
			}
		})
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
