package origintest

import (
	"sync"
	"testing"
	"time"
)

// TestStress has everything happen at once, for the race detector: hooks that
// change, connections that are cut, counters that are read, and a Close in the
// middle of it. What the clients get is only checked where they get it whole.
func TestStress(t *testing.T) {
	rng := newRand(t)
	src := NewSynthetic(SyntheticOptions{Files: 1000, Shuffle: true})
	s := openServer(t, Options{CountNames: true, GetLatency: time.Microsecond, MaxRequestsPerConn: 50}, src)
	faults := []Fault{
		{}, {Mode: Cut}, {Mode: CutBody, N: 5}, {Mode: Chunked}, {Mode: Interim, N: 103}, {Status: 503},
		{Delay: time.Millisecond}, {Mode: Cut, Reset: true}, {Close: true},
	}
	var wg sync.WaitGroup
	for k := range 4 {
		wg.Go(func() {
			for !closed(s) {
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
	wg.Wait()
	if got := s.Counts(); got.OpenConns != 0 || got.Gets == 0 || got.Status[200] == 0 {
		t.Errorf("%+v", got)
	}
}

// closed reports whether s is closing.
func closed(s *Server) bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// stressConn opens a connection and gets files over it until it breaks.
func stressConn(t *testing.T, s *Server, src *Synthetic, from int64) {
	c, err := dialQuietly(s)
	if err != nil {
		return
	}
	defer c.Close()
	if _, err := c.Write(prepareGets(s, src, from, 100)); err != nil {
		return
	}
	for i := from; i < from+100; i++ {
		resp, body, err := c.receive()
		for err == nil && resp.StatusCode == 103 {
			resp, body, err = c.receive()
		}
		if err != nil {
			return
		}
		if resp.StatusCode == 200 && body != string(src.Body(i)) {
			t.Errorf("file %d has the wrong content", i)
		}
	}
}
