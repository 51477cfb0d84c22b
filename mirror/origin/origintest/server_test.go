package origintest

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"
)

func TestCounts(t *testing.T) {
	src := NewSynthetic(SyntheticOptions{Files: 10})
	s := openServer(t, Options{CountNames: true, PageSize: 4}, src)
	if pages := listAll(t, s); len(pages) != 3 {
		t.Fatalf("%d pages", len(pages))
	}
	c := dial(t, s)
	c.send("/get/"+src.Name(1), "/get/"+src.Name(1), "/get/nothing", "/list?next-marker=x", "/get/%", "/nowhere")
	for _, status := range []int{200, 200, 404, 400, 400, 404} {
		if resp, _, err := c.receive(); err != nil || resp.StatusCode != status {
			t.Fatalf("want %d, got %+v, %v", status, resp, err)
		}
	}
	waitFor(t, "the bytes to be counted", func() bool { return s.Counts().BytesOut >= 600 })
	got := s.Counts()
	if want := map[int]int64{200: 5, 404: 2, 400: 2}; !maps.Equal(got.Status, want) {
		t.Errorf("status %v, want %v", got.Status, want)
	}
	if got.Lists != 4 || got.Gets != 3 || got.Conns != 4 || got.OpenConns < 1 || got.BytesIn < 300 {
		t.Errorf("%+v", got)
	}
	for name, want := range map[string]int{src.Name(1): 2, "nothing": 1, "other": 0} {
		if n := s.Gets(name); n != want {
			t.Errorf("%d gets of %s, want %d", n, name, want)
		}
	}
	if s.Names() != 2 {
		t.Errorf("%d names", s.Names())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	after := s.Counts()
	if after.Gets != 3 || after.OpenConns != 0 || !maps.Equal(after.Status, got.Status) {
		t.Errorf("after closing %+v", after)
	}
}

// TestPipelining checks that answers come in order, and many in one packet.
func TestPipelining(t *testing.T) {
	const n = 5000
	src := NewSynthetic(SyntheticOptions{Files: n, VarySize: true, LargeEvery: 1000, LargeSize: 3 << 20})
	c := dial(t, openServer(t, Options{}, src))
	var targets []string
	for i := range int64(n) {
		targets = append(targets, "/get/"+src.Name(i))
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		c.send(targets...)
	}()
	for i := range int64(n) {
		c.expect(200, string(src.Body(i)))
	}
	<-sent
}

func TestPipelinedAnswersAreCoalesced(t *testing.T) {
	const n = 1000
	src := NewSynthetic(SyntheticOptions{Files: n})
	s := openServer(t, Options{}, src)
	c := dial(t, s)
	requests := prepareGets(s, src, 0, n)
	if _, err := c.Write(requests); err != nil {
		t.Fatal(err)
	}
	reads, buf := 0, make([]byte, 1<<20)
	for left := n * (len("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n") + 100); left > 0; reads++ {
		got, err := c.Read(buf)
		if left -= got; err != nil {
			t.Fatal(err)
		}
	}
	if reads > n/10 {
		t.Errorf("%d answers came in %d reads", n, reads)
	}
}

func TestNoAllocationPerGet(t *testing.T) {
	src := NewSynthetic(SyntheticOptions{Files: billion})
	s := openServer(t, Options{}, src)
	requests := prepareGets(s, src, 0, 1000)
	pipelineGets(t, s, requests, 2)
	// A connection of its own costs some each time, 20,000 gets nothing.
	allocs := testing.AllocsPerRun(3, func() { pipelineGets(t, s, requests, 20) })
	if allocs > 500 {
		t.Errorf("%v allocations for 20,000 gets", allocs)
	}
}

func TestMaxRequestsPerConn(t *testing.T) {
	src := NewSynthetic(SyntheticOptions{Files: 10})
	s := openServer(t, Options{MaxRequestsPerConn: 3}, src)
	for _, fault := range []Fault{{}, {Mode: Interim, N: 103}} {
		s.SetFaults(Faults{OnGet: EveryNth(2, fault)})
		c := dial(t, s)
		c.send("/get/"+src.Name(0), "/get/"+src.Name(1), "/get/"+src.Name(2), "/get/"+src.Name(3), "/get/"+src.Name(4))
		for i := range int64(3) {
			c.br.Peek(1) // the answer tells
			if fault.Mode == Interim && i == 1 {
				c.expect(103, "")
			}
			if resp := c.expect(200, string(src.Body(i))); resp.Close != (i == 2) {
				t.Errorf("answer %d closes: %v", i, resp.Close)
			}
		}
		if _, _, err := c.receive(); !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			t.Errorf("after the last answer: %v", err)
		}
	}
}

func TestLatency(t *testing.T) {
	const latency = 100 * time.Millisecond
	src := NewSynthetic(SyntheticOptions{Files: 1000})
	s := openServer(t, Options{GetLatency: latency, ListLatency: latency / 4}, src)
	c := dial(t, s)
	start := time.Now()
	c.send("/list")
	c.expect(200, string(wholePage(t, src)))
	if took := time.Since(start); took < latency/4 {
		t.Errorf("a page took %v", took)
	}
	start = time.Now()
	// Ten batches arrive one after another while the first one waits.
	for batch := range 10 {
		var targets []string
		for i := range 20 {
			targets = append(targets, "/get/"+src.Name(int64(batch*20+i)))
		}
		c.send(targets...)
		time.Sleep(latency / 100)
	}
	for i := range int64(200) {
		c.expect(200, string(src.Body(i)))
	}
	if took := time.Since(start); took < latency || took > 5*latency {
		t.Errorf("200 pipelined gets took %v", took)
	}
}

// wholePage is the page of all names of src.
func wholePage(t *testing.T, src Source) []byte {
	t.Helper()
	var e pageEncoder
	e.begin()
	if _, err := src.Page("", 1_000_000, e.add); err != nil {
		t.Fatal(err)
	}
	return e.end("", "")
}

func TestClosePromptly(t *testing.T) {
	src := NewSynthetic(SyntheticOptions{Files: 3, LargeEvery: 3, LargeSize: 1 << 30})
	config, _, err := SelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		o     Options
		fault Fault
		file  int64
	}{
		"idle":       {},
		"hang":       {fault: Fault{Mode: Hang}},
		"delay":      {fault: Fault{Delay: time.Hour}},
		"drip":       {fault: Fault{Mode: Drip, Every: time.Hour}},
		"latency":    {o: Options{GetLatency: time.Hour}},
		"not read":   {file: 2},
		"unread cut": {file: 2, fault: Fault{Mode: CutBody, N: 1 << 29}},
		"handshake":  {o: Options{TLS: config}},
	} {
		t.Run(name, func(t *testing.T) {
			s := openServer(t, test.o, src)
			asked := make(chan struct{}, 2)
			s.SetFaults(Faults{OnGet: func([]byte, int) Fault { asked <- struct{}{}; return test.fault }})
			c := dial(t, s)
			if test.o.TLS == nil {
				c.send("/get/"+src.Name(test.file), "/get/"+src.Name(0))
				if test.o.GetLatency == 0 {
					<-asked
				}
			}
			start := time.Now()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("closing took %v", took)
			}
			if err := s.Close(); err != nil {
				t.Errorf("closing again: %v", err)
			}
		})
	}
}

func TestRun(t *testing.T) {
	s := openServer(t, Options{}, NewFiles())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	if resp, _ := ask(t, s, "GET", "/list"); resp.StatusCode != http.StatusOK {
		t.Errorf("%+v", resp)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestOpenErrors(t *testing.T) {
	for _, o := range []Options{
		{PageSize: -1}, {BasePath: "a b"}, {MaxRequestsPerConn: -1}, {GetLatency: -1}, {Addr: "256.0.0.1:0"},
	} {
		if s, err := Open(o, NewFiles()); err == nil {
			t.Errorf("%+v: opened", o)
			_ = s.Close()
		}
	}
}

func TestFilesChange(t *testing.T) {
	src := NewFiles(File{Name: "a", Body: []byte("A")}, File{Name: "b", Body: []byte("B")})
	s := openServer(t, Options{}, src)
	src.Vanish("a")
	if resp, _ := ask(t, s, "GET", "/get/a"); resp.StatusCode != 404 {
		t.Errorf("a vanished file: %d", resp.StatusCode)
	}
	if got := names(listAll(t, s)); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("listed %q", got)
	}
	src.Set(File{Name: "c"})
	if got := names(listAll(t, s)); !slices.Equal(got, []string{"c"}) {
		t.Errorf("listed %q", got)
	}
}
