package serve_test

import (
	"context"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/origintest/rawhttp"
	"github.com/motefs/motefs/mirror/origin/serve"
)

func TestCounts(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 10})
	s := serve.OpenTest(t, serve.Options{PageSize: 4}, src)
	if pages := rawhttp.Pages(t, s.Addr(), ""); len(pages) != 3 {
		t.Fatalf("%d pages", len(pages))
	}
	c := rawhttp.Dial(t, s.Addr())
	c.Send("/get/"+src.Name(1), "/get/"+src.Name(1), "/get/nothing", "/list?next-marker=x", "/get/%", "/nowhere")
	for _, status := range []int{200, 200, 404, 400, 400, 404} {
		if resp, _, err := c.Receive(); err != nil || resp.StatusCode != status {
			t.Fatalf("want %d, got %+v, %v", status, resp, err)
		}
	}
	eventually.True(t, "the bytes to be counted", func() bool { return s.Counts().BytesOut >= 600 })
	got := s.Counts()
	if want := map[int]int64{200: 5, 404: 2, 400: 2}; !maps.Equal(got.Status, want) {
		t.Errorf("status %v, want %v", got.Status, want)
	}
	if got.Lists != 4 || got.Gets != 3 || got.Conns != 4 || got.OpenConns < 1 || got.BytesIn < 300 {
		t.Errorf("%+v", got)
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
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: n, VarySize: true, LargeEvery: 1000, LargeSize: 3 << 20})
	c := rawhttp.Dial(t, serve.OpenTest(t, serve.Options{}, src).Addr())
	var targets []string
	for i := range int64(n) {
		targets = append(targets, "/get/"+src.Name(i))
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		c.Send(targets...)
	}()
	for i := range int64(n) {
		c.Expect(200, string(src.Body(i)))
	}
	<-sent
}

func TestPipelinedAnswersAreCoalesced(t *testing.T) {
	const n = 1000
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: n})
	s := serve.OpenTest(t, serve.Options{}, src)
	c := rawhttp.Dial(t, s.Addr())
	requests := prepareGets(src, 0, n)
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
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 1_000_000_000})
	s := serve.OpenTest(t, serve.Options{}, src)
	requests := prepareGets(src, 0, 1000)
	pipelineGets(t, s, requests, 2)
	// A connection of its own costs some each time, 20,000 gets nothing.
	allocs := testing.AllocsPerRun(3, func() { pipelineGets(t, s, requests, 20) })
	if allocs > 500 {
		t.Errorf("%v allocations for 20,000 gets", allocs)
	}
}

func TestLatency(t *testing.T) {
	const latency = time.Second
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 1000})
	s := serve.OpenTest(t, serve.Options{GetLatency: latency, ListLatency: latency / 4}, src)
	c := rawhttp.Dial(t, s.Addr())
	start := time.Now()
	c.Send("/list")
	if resp, _, err := c.Receive(); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%+v, %v", resp, err)
	}
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
		c.Send(targets...)
		time.Sleep(latency / 100)
	}
	for i := range int64(200) {
		c.Expect(200, string(src.Body(i)))
	}
	if took := time.Since(start); took < latency || took > 8*latency {
		t.Errorf("200 pipelined gets took %v", took)
	}
}

func TestRun(t *testing.T) {
	s := serve.OpenTest(t, serve.Options{}, origintest.NewFiles())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	if resp, _ := rawhttp.Ask(t, s.Addr(), "GET", "/list"); resp.StatusCode != http.StatusOK {
		t.Errorf("%+v", resp)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestOpenErrors(t *testing.T) {
	for _, o := range []serve.Options{
		{PageSize: -1}, {BasePath: "a b"}, {MaxRequestsPerConn: -1}, {GetLatency: -1}, {Addr: "256.0.0.1:0"},
	} {
		if s, err := origintest.Open(o, origintest.NewFiles()); err == nil {
			t.Errorf("%+v: opened", o)
			_ = s.Close()
		}
	}
}
