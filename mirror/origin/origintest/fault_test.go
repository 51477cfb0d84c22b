package origintest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror/origin/origintest/rawhttp"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestFaultsInAPipeline answers the middle one of pipelined requests wrongly,
// and checks what comes before, in its place and after, byte for byte.
func TestFaultsInAPipeline(t *testing.T) {
	const usual = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"
	for name, test := range map[string]struct {
		fault Fault
		want  string
		ends  bool // the connection is closed
	}{
		"none":        {Fault{}, usual, false},
		"delay":       {Fault{Delay: time.Millisecond}, usual, false},
		"cut":         {Fault{Mode: Cut}, "", true},
		"body cut":    {Fault{Mode: CutBody, N: 2}, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbo", true},
		"head only":   {Fault{Mode: CutBody}, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", true},
		"too long":    {Fault{Mode: Length, N: 3}, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nbody", true},
		"too short":   {Fault{Mode: Length, N: -3}, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nbody", false},
		"raw":         {Fault{Mode: Raw, Body: []byte("nonsense")}, "nonsense", false},
		"raw, closed": {Fault{Mode: Raw, Body: []byte("nonsense"), Close: true}, "nonsense", true},
		"drip":        {Fault{Mode: Drip, N: 20, Every: time.Microsecond}, usual, false},
		"chunked": {
			Fault{Mode: Chunked, N: 3},
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbod\r\n1\r\ny\r\n0\r\n\r\n", false,
		},
		"until close": {Fault{Mode: UntilClose}, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbody", true},
		"interim":     {Fault{Mode: Interim}, "HTTP/1.1 100 Continue\r\n\r\n" + usual, false},
		"early hints": {Fault{Mode: Interim, N: 103}, "HTTP/1.1 103 Early Hints\r\n\r\n" + usual, false},
		"close":       {Fault{Close: true}, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody", true},
		"status": {
			Fault{Status: 503, RetryAfter: 1500 * time.Millisecond, Body: []byte("busy")},
			"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 4\r\n\r\nbusy", false,
		},
		"no body":     {Fault{Status: 500}, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", false},
		"not changed": {Fault{Status: 304}, "HTTP/1.1 304 Not Modified\r\n\r\n", false},
		"redirect":    {Fault{Location: "/x"}, "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", false},
		"other body":  {Fault{Body: []byte("other!")}, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nother!", false},
		"header": {
			Fault{Header: map[string]string{"X-Y": "z"}},
			"HTTP/1.1 200 OK\r\nX-Y: z\r\nContent-Length: 4\r\n\r\nbody", false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := New(t, serve.Options{}, NewFiles(File{Name: "good", Body: []byte("body")}, File{Name: "bad", Body: []byte("body")}))
			s.SetFaults(Faults{OnGet: func(name []byte, _ int) Fault {
				if string(name) == "bad" {
					return test.fault
				}
				return Fault{}
			}})
			c := rawhttp.Dial(t, s.Addr())
			c.Send("/get/good", "/get/good", "/get/bad", "/get/good", "/get/bad", "/get/good")
			if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			want := usual + usual + test.want
			if !test.ends {
				want += usual + test.want + usual
			}
			if got, err := io.ReadAll(c.Reader); err != nil || string(got) != want {
				t.Errorf("got  %q, %v\nwant %q", got, err, want)
			}
		})
	}
}

// TestFaultFlushesBefore checks that answers before a hanging one arrive.
func TestFaultFlushesBefore(t *testing.T) {
	s := New(t, serve.Options{}, NewFiles(File{Name: "a", Body: []byte("A")}, File{Name: "b", Body: []byte("B")}))
	s.SetFaults(Faults{OnGet: func(_ []byte, n int) Fault {
		return []Fault{{}, {Mode: Hang}}[n]
	}})
	c := rawhttp.Dial(t, s.Addr())
	c.Send("/get/a", "/get/b", "/get/a")
	c.Expect(200, "A")
	if got := s.Counts().Gets; got > 2 {
		t.Errorf("%d gets were handled", got)
	}
	_ = c.Close()
	eventually.True(t, "the hanging connection to end", func() bool { return s.Counts().OpenConns == 0 })
}

func TestFaultReset(t *testing.T) {
	s := New(t, serve.Options{}, NewFiles(File{Name: "a", Body: []byte("A")}))
	s.SetFaults(Faults{OnGet: EveryNth(1, Fault{Mode: Cut, Reset: true})})
	c := rawhttp.Dial(t, s.Addr())
	c.Send("/get/a")
	if _, err := c.Reader.ReadByte(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v", err)
	}
}

func TestFaultHead(t *testing.T) {
	s := New(t, serve.Options{}, NewFiles(File{Name: "a", Body: []byte("A")}))
	s.SetFaults(Faults{OnGet: EveryNth(1, Fault{Delay: 1})})
	if resp, body := rawhttp.Ask(t, s.Addr(), "HEAD", "/get/a"); resp.ContentLength != 1 || body != "" || !resp.Close {
		t.Errorf("%+v %q", resp, body)
	}
}

func TestFaultLargeBody(t *testing.T) {
	const size = 5 << 20
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 2, LargeEvery: 1, LargeSize: size})
	s := New(t, serve.Options{}, src)
	s.SetFaults(Faults{OnGet: func(_ []byte, n int) Fault {
		return []Fault{{Mode: Chunked}, {Mode: CutBody, N: size / 2}}[n]
	}})
	c := rawhttp.Dial(t, s.Addr())
	c.Send("/get/"+src.Name(0), "/get/"+src.Name(1))
	c.Expect(200, string(src.Body(0)))
	_, body, err := c.Receive()
	if !errors.Is(err, io.ErrUnexpectedEOF) || body != string(src.Body(1)[:size/2]) {
		t.Errorf("%d bytes, %v", len(body), err)
	}
}

func TestListFaults(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 10})
	s := New(t, serve.Options{PageSize: 4}, Prefixed("m", src))
	var markers []string
	s.SetFaults(Faults{OnList: func(marker string, n int) Fault {
		markers = append(markers, marker)
		if n == 1 {
			return Fault{Status: 429, RetryAfter: time.Second}
		}
		return Fault{}
	}})
	c := rawhttp.Dial(t, s.Addr())
	c.Send("/list", "/list?next-marker=m4", "/list?next-marker=m4")
	for _, status := range []int{200, 429, 200} {
		if resp, body, err := c.Receive(); err != nil || resp.StatusCode != status {
			t.Errorf("want %d, got %+v %q %v", status, resp, body, err)
		}
	}
	if want := []string{"", "m4", "m4"}; !slices.Equal(markers, want) {
		t.Errorf("markers %q, want %q", markers, want)
	}
}

func TestPageSizes(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 10})
	s := New(t, serve.Options{}, src)
	s.SetFaults(Faults{PageSize: func(marker string) int {
		if !strings.HasPrefix(marker, emptyMark) {
			return 0
		}
		return 1 + len(marker)
	}})
	pages := rawhttp.Pages(t, s.Addr(), "")
	var sizes []int
	for _, p := range pages {
		sizes = append(sizes, len(p.FileNames))
	}
	if want := []int{0, 2, 0, 3, 0, 3, 0, 2}; !slices.Equal(sizes, want) {
		t.Errorf("pages of %v names, want %v", sizes, want)
	}
	if got := rawhttp.Names(pages); len(got) != 10 || !slices.IsSorted(got) {
		t.Errorf("listed %q", got)
	}
}

func TestFirstTries(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 2})
	s := New(t, serve.Options{}, src)
	s.SetFaults(Faults{OnGet: FirstTries(2, Fault{Status: 500})})
	c := rawhttp.Dial(t, s.Addr())
	for _, i := range []int64{0, 1} {
		for _, status := range []int{500, 500, 200} {
			c.Send("/get/" + src.Name(i))
			if resp, _, err := c.Receive(); err != nil || resp.StatusCode != status {
				t.Errorf("want %d, got %+v %v", status, resp, err)
			}
		}
	}
	s.SetFaults(Faults{})
	if got := s.Counts().Status; got[500] != 4 || got[200] != 2 {
		t.Errorf("status %v", got)
	}
}

func TestCutConns(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 1})
	s := New(t, serve.Options{}, src)
	c := rawhttp.Dial(t, s.Addr())
	c.Send("/get/" + src.Name(0))
	c.Expect(200, string(src.Body(0)))
	s.CutConns()
	if _, err := c.Reader.ReadByte(); err == nil {
		t.Error("the connection is still there")
	}
	if resp, _ := rawhttp.Ask(t, s.Addr(), http.MethodGet, "/list"); resp.StatusCode != 200 {
		t.Errorf("%+v", resp)
	}
}

func TestTLS(t *testing.T) {
	config, pool, err := SelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 20})
	s := New(t, serve.Options{TLS: config}, src)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer client.CloseIdleConnections()
	for i := range src.Len() {
		if i == 10 {
			s.SetFaults(Faults{OnGet: EveryNth(1, Fault{Mode: Chunked, N: 7})})
		}
		resp, err := client.Get(s.URL() + "/get/" + src.Name(i))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || !bytes.Equal(body, src.Body(i)) {
			t.Errorf("file %d: %d bytes, %v", i, len(body), err)
		}
	}
	if got := s.Counts().Conns; got != 1 {
		t.Errorf("%d connections", got)
	}
	s.SetFaults(Faults{OnGet: EveryNth(1, Fault{Mode: CutBody, N: 10})})
	resp, err := client.Get(s.URL() + "/get/" + src.Name(0))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) || len(body) != 10 {
		t.Errorf("a cut body: %d bytes, %v", len(body), err)
	}
}
