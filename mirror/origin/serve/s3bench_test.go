package serve_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror/origin/serve"
)

var (
	s3BenchKey    = serve.S3Options{AccessKey: "AKIAIOSFODNN7EXAMPLE", SecretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
	s3BenchSource = serve.SyntheticOptions{Files: 1_000_000_000, FilesPerDir: 1000, S3ETags: true}
)

// s3Gets returns n pipelined requests for files from index on, signed or not, for their
// sums too or not.
func s3Gets(src *serve.Synthetic, from int64, n int, signed, sums bool) []byte {
	var out bytes.Buffer
	for i := range n {
		target := "/motefs/" + src.Name(from+int64(i))
		fmt.Fprintf(&out, "GET %s HTTP/1.1\r\nHost: origin\r\n", target)
		var header []string
		if sums {
			header = append(header, "x-amz-checksum-mode", "ENABLED")
		}
		if signed {
			header = s3Sign(target, "us-east-1", s3BenchKey.AccessKey, s3BenchKey.SecretKey, "", time.Now(), header...)
		}
		for k := 0; k < len(header); k += 2 {
			fmt.Fprintf(&out, "%s: %s\r\n", header[k], header[k+1])
		}
		out.WriteString("\r\n")
	}
	return out.Bytes()
}

// s3Client writes prepared requests and counts the bytes of their answers.
type s3Client struct {
	net.Conn
	requests []byte
	answers  int
	buf      []byte
}

// newS3Client asks once, to see what the answers are.
func newS3Client(tb testing.TB, signed, sums bool, n int) *s3Client {
	tb.Helper()
	src := serve.NewSynthetic(s3BenchSource)
	o := serve.S3Options{}
	if signed {
		o = s3BenchKey
	}
	s := serve.OpenTest(tb, serve.Options{S3: &o}, src)
	nc, err := net.Dial("tcp", s.Addr())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { nc.Close() })
	c := &s3Client{Conn: nc, requests: s3Gets(src, 123_456, n, signed, sums), buf: make([]byte, 256<<10)}
	if _, err := nc.Write(c.requests); err != nil {
		tb.Fatal(err)
	}
	counted := &countReader{Reader: nc}
	r := bufio.NewReader(counted)
	for i := range int64(n) {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			tb.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 || string(body) != string(src.Body(123_456+i)) {
			tb.Fatalf("%+v %q, %v", resp, body, err)
		}
	}
	c.answers = counted.n - r.Buffered()
	return c
}

type countReader struct {
	io.Reader
	n int
}

func (c *countReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

// ask asks for all files once.
func (c *s3Client) ask(tb testing.TB) {
	if _, err := c.Write(c.requests); err != nil {
		tb.Fatal(err)
	}
	for left := c.answers; left > 0; {
		n, err := c.Read(c.buf[:min(left, len(c.buf))])
		if left -= n; err != nil && left > 0 {
			tb.Fatalf("%d bytes missing: %v", left, err)
		}
	}
}

// TestS3Allocations has a get cost no memory, signed or not.
func TestS3Allocations(t *testing.T) {
	for _, signed := range []bool{false, true} {
		const n = 200
		c := newS3Client(t, signed, signed, n)
		// A few are the runtime's.
		if got := testing.AllocsPerRun(20, func() { c.ask(t) }); got > n/20 {
			t.Errorf("signed %v: %v allocations for %d gets", signed, got, n)
		}
	}
}

// BenchmarkS3Gets is the server with the cheapest client there can be.
func BenchmarkS3Gets(b *testing.B) {
	for _, n := range []int{1, 200} {
		for _, how := range []string{"", "signed", "sums"} {
			b.Run(fmt.Sprintf("pipelined=%d/%s", n, how), func(b *testing.B) {
				c := newS3Client(b, how == "signed", how == "sums", n)
				b.ReportAllocs()
				for b.Loop() {
					c.ask(b)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/get")
			})
		}
	}
}

// BenchmarkS3List is pages of 1,000 keys.
func BenchmarkS3List(b *testing.B) {
	for _, query := range []string{"", "&encoding-type=url", "&delimiter=/"} {
		b.Run("list"+strings.NewReplacer("/", "", "&", "_").Replace(query), func(b *testing.B) {
			s := serve.OpenTest(b, serve.Options{S3: &serve.S3Options{}}, serve.NewSynthetic(s3BenchSource))
			url := s.URL() + "/motefs?list-type=2&start-after=d500000/file-000500000500" + query
			b.ReportAllocs()
			var size int64
			for b.Loop() {
				resp, err := http.Get(url)
				if err != nil {
					b.Fatal(err)
				}
				if size, err = io.Copy(io.Discard, resp.Body); err != nil {
					b.Fatal(err)
				}
				resp.Body.Close()
			}
			b.SetBytes(size)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*1000), "ns/key")
		})
	}
	http.DefaultClient.CloseIdleConnections()
}
