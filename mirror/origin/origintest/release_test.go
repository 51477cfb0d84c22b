package origintest

import (
	"bytes"
	"io"
	"sync/atomic"
	"testing"

	"github.com/motefs/motefs/mirror/origin/origintest/rawhttp"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// countingSource hands out files that must be closed.
type countingSource struct {
	*Files
	opened, closed atomic.Int64
}

func (s *countingSource) Get(name []byte, o *serve.Object) error {
	err := s.Files.Get(name, o)
	if err == nil {
		s.opened.Add(1)
		o.At, o.Size = countedFile{bytes.NewReader(o.Body), s}, int64(len(o.Body))
	}
	return err
}

type countedFile struct {
	*bytes.Reader
	s *countingSource
}

func (f countedFile) Close() error {
	f.s.closed.Add(1)
	return nil
}

// TestEveryFileIsClosed checks each way out for a file that holds something.
func TestEveryFileIsClosed(t *testing.T) {
	src := &countingSource{Files: NewFiles(File{Name: "a", Body: []byte("0123456789"), ETag: `"v"`})}
	s := New(t, serve.Options{}, src)
	for _, fault := range []Fault{
		{}, {Mode: Cut}, {Mode: CutBody, N: 3}, {Mode: Raw, Body: []byte("x"), Close: true}, {Mode: Chunked},
		{Status: 500}, {Location: "/"}, {Delay: 1}, {Mode: Length, N: 5}, {Mode: UntilClose},
	} {
		s.SetFaults(Faults{OnGet: EveryNth(1, fault)})
		for _, request := range []string{
			"GET /get/a HTTP/1.1\r\n", "HEAD /get/a HTTP/1.1\r\n", "GET /get/a HTTP/1.1\r\nIf-None-Match: *\r\n",
			"GET /get/a HTTP/1.1\r\nRange: bytes=1-2\r\n", "GET /get/a HTTP/1.1\r\nRange: bytes=10-\r\n",
		} {
			c := rawhttp.Dial(t, s.Addr())
			if _, err := io.WriteString(c, request+"Host: x\r\nConnection: close\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(c.Reader); err != nil {
				t.Errorf("%+v: %v", fault, err)
			}
			_ = c.Close()
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if opened, closed := src.opened.Load(), src.closed.Load(); opened != 50 || closed != opened {
		t.Errorf("%d files opened, %d closed", opened, closed)
	}
}
