package serve_test

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/motefs/motefs/mirror/origin/origintest/rawhttp"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// BenchmarkPipelinedGets measures the server with the cheapest client there
// can be: requests are one prepared block, answers are counted in bytes.
func BenchmarkPipelinedGets(b *testing.B) {
	const batch = 1000
	for _, conns := range []int{1, 2, 16} {
		b.Run(fmt.Sprintf("conns=%d", conns), func(b *testing.B) {
			src := serve.NewSynthetic(serve.SyntheticOptions{Files: 1_000_000_000})
			s := serve.OpenTest(b, serve.Options{}, src)
			b.SetBytes(serve.DefaultBodySize)
			b.ReportAllocs()
			var wg sync.WaitGroup
			for k := range conns {
				wg.Go(func() {
					requests := prepareGets(src, int64(k)*1_000_000, batch)
					pipelineGets(b, s, requests, b.N/conns/batch+1)
				})
			}
			wg.Wait()
			b.ReportMetric(float64(s.Counts().Gets)/b.Elapsed().Seconds(), "gets/s")
		})
	}
}

// prepareGets returns n pipelined requests for the files from index on.
func prepareGets(src *serve.Synthetic, from int64, n int) []byte {
	targets := make([]string, n)
	for i := range targets {
		targets[i] = "/get/" + src.Name(from+int64(i))
	}
	return rawhttp.Requests(targets...)
}

// pipelineGets sends the requests several times and reads as many bytes as the
// answers have.
func pipelineGets(tb testing.TB, s *serve.Server, requests []byte, times int) {
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		tb.Error(err)
		return
	}
	defer c.Close()
	const batch, answer = 1000, len("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n") + serve.DefaultBodySize
	buf := make([]byte, 256<<10)
	for range times {
		if _, err := c.Write(requests); err != nil {
			tb.Error(err)
			return
		}
		for left := batch * answer; left > 0; {
			n, err := c.Read(buf[:min(left, len(buf))])
			if left -= n; err != nil && left > 0 {
				tb.Errorf("%d bytes missing: %v", left, err)
				return
			}
		}
	}
	_ = c.(*net.TCPConn).CloseWrite()
	if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
		tb.Errorf("%d bytes after the last answer, %v", len(rest), err)
	}
}
