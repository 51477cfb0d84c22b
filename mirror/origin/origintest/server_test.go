package origintest

import (
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror/origin/origintest/rawhttp"
	"github.com/motefs/motefs/mirror/origin/serve"
)

func TestMaxRequestsPerConn(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 10})
	s := New(t, serve.Options{MaxRequestsPerConn: 3}, src)
	for _, fault := range []Fault{{}, {Mode: Interim, N: 103}} {
		s.SetFaults(Faults{OnGet: EveryNth(2, fault)})
		c := rawhttp.Dial(t, s.Addr())
		c.Send("/get/"+src.Name(0), "/get/"+src.Name(1), "/get/"+src.Name(2), "/get/"+src.Name(3), "/get/"+src.Name(4))
		for i := range int64(3) {
			c.Reader.Peek(1) // the answer tells
			if fault.Mode == Interim && i == 1 {
				c.Expect(103, "")
			}
			if resp := c.Expect(200, string(src.Body(i))); resp.Close != (i == 2) {
				t.Errorf("answer %d closes: %v", i, resp.Close)
			}
		}
		if _, _, err := c.Receive(); !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			t.Errorf("after the last answer: %v", err)
		}
	}
}

func TestClosePromptly(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 3, LargeEvery: 3, LargeSize: 1 << 30})
	config, _, err := SelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		o     serve.Options
		fault Fault
		file  int64
	}{
		"idle":       {},
		"hang":       {fault: Fault{Mode: Hang}},
		"delay":      {fault: Fault{Delay: time.Hour}},
		"drip":       {fault: Fault{Mode: Drip, Every: time.Hour}},
		"latency":    {o: serve.Options{GetLatency: time.Hour}},
		"not read":   {file: 2},
		"unread cut": {file: 2, fault: Fault{Mode: CutBody, N: 1 << 29}},
		"handshake":  {o: serve.Options{TLS: config}},
	} {
		t.Run(name, func(t *testing.T) {
			s := New(t, test.o, src)
			asked := make(chan struct{}, 2)
			s.SetFaults(Faults{OnGet: func([]byte, int) Fault { asked <- struct{}{}; return test.fault }})
			c := rawhttp.Dial(t, s.Addr())
			if test.o.TLS == nil {
				c.Send("/get/"+src.Name(test.file), "/get/"+src.Name(0))
				if test.o.GetLatency == 0 {
					<-asked
				}
			}
			start := time.Now()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("closing took %v", took)
			}
			if err := s.Close(); err != nil {
				t.Errorf("closing again: %v", err)
			}
		})
	}
}

func TestFilesChange(t *testing.T) {
	src := NewFiles(File{Name: "a", Body: []byte("A")}, File{Name: "b", Body: []byte("B")})
	s := New(t, serve.Options{}, src)
	src.Vanish("a")
	if resp, _ := rawhttp.Ask(t, s.Addr(), "GET", "/get/a"); resp.StatusCode != 404 {
		t.Errorf("a vanished file: %d", resp.StatusCode)
	}
	if got := rawhttp.Names(rawhttp.Pages(t, s.Addr(), "")); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("listed %q", got)
	}
	src.Set(File{Name: "c"})
	if got := rawhttp.Names(rawhttp.Pages(t, s.Addr(), "")); !slices.Equal(got, []string{"c"}) {
		t.Errorf("listed %q", got)
	}
}
