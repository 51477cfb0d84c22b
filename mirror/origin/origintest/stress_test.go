package origintest

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror/origin/origintest/rawhttp"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestStress has everything happen at once, for the race detector: hooks that
// change, connections that are cut, counters that are read, and a Close in the
// middle of it. What the clients get is only checked where they get it whole.
func TestStress(t *testing.T) {
	rng := newRand(t)
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 1000, Shuffle: true})
	s := New(t, serve.Options{GetLatency: time.Microsecond, MaxRequestsPerConn: 50}, src)
	faults := []Fault{
		{}, {Mode: Cut}, {Mode: CutBody, N: 5}, {Mode: Chunked}, {Mode: Interim, N: 103}, {Status: 503},
		{Delay: time.Millisecond}, {Mode: Cut, Reset: true}, {Close: true},
	}
	var wg sync.WaitGroup
	var closed atomic.Bool
	for k := range 4 {
		wg.Go(func() {
			for !closed.Load() {
				stressConn(t, s, src, int64(k*100))
			}
		})
	}
	for range 300 {
		s.SetFaults(Faults{OnGet: EveryNth(1+rng.IntN(30), faults[rng.IntN(len(faults))])})
		if rng.IntN(10) == 0 {
			s.CutConns()
		}
		_ = s.Counts()
		time.Sleep(time.Millisecond)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	closed.Store(true)
	wg.Wait()
	if got := s.Counts(); got.OpenConns != 0 || got.Gets == 0 || got.Status[200] == 0 {
		t.Errorf("%+v", got)
	}
}

// stressConn opens a connection and gets files over it until it breaks.
func stressConn(t *testing.T, s *Server, src *serve.Synthetic, from int64) {
	nc, err := net.Dial("tcp", s.Addr())
	if err != nil {
		return
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(rawhttp.Deadline))
	c := rawhttp.New(t, nc)
	var targets []string
	for i := range int64(100) {
		targets = append(targets, "/get/"+src.Name(from+i))
	}
	if _, err := c.Write(rawhttp.Requests(targets...)); err != nil {
		return
	}
	for i := from; i < from+100; i++ {
		resp, body, err := c.Receive()
		for err == nil && resp.StatusCode == 103 {
			resp, body, err = c.Receive()
		}
		if err != nil {
			return
		}
		if resp.StatusCode == 200 && body != string(src.Body(i)) {
			t.Errorf("file %d has the wrong content", i)
		}
	}
}
