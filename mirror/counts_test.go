package mirror_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestCounts compares what an engine has counted with what the store has after a mirror
// of short and long files, which readers read before and after.
func TestCounts(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 300, LargeEvery: 50, LargeSize: 400_000})
	r := newRig(t, serve.Options{PageSize: 100}, src)
	e := r.engine(nil)
	for _, i := range []int64{3, 50} { // one of each kind
		if _, err := e.Fetch(t.Context(), cache.RootInode, src.Name(i)); err != nil {
			t.Fatal(err)
		}
	}
	r.must(e.Run(t.Context()))
	r.complete(300)
	p, n := r.store.Progress(), e.Counts()
	if n.Listed != 300 || n.Files != 300 || n.Bytes != int64(p.Bytes) {
		t.Errorf("counted %+v of %+v", n, p)
	}
	if n.Throttled != 0 || n.Retries != [mirror.Retries]int64{} {
		t.Errorf("nothing went wrong: %+v", n)
	}
	for range 2 { // all is here
		if _, err := e.Fetch(t.Context(), cache.RootInode, src.Name(3)); err != nil {
			t.Fatal(err)
		}
		r.must(e.Run(t.Context()))
	}
	if again := e.Counts(); again != n {
		t.Errorf("counted %+v where nothing was fetched, after %+v", again, n)
	}
}

// TestCountsOfTrouble has each file answer with a status of its own the first time that
// it is asked for.
func TestCountsOfTrouble(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 200})
	r := newRig(t, serve.Options{}, src)
	statuses := map[string]int{src.Name(10): 500, src.Name(20): 404, src.Name(30): 429, src.Name(31): 429, src.Name(40): 403, src.Name(50): 502}
	var mu sync.Mutex
	r.server.SetFaults(origintest.Faults{OnGet: func(name []byte, _ int) origintest.Fault {
		mu.Lock()
		defer mu.Unlock()
		status := statuses[string(name)]
		delete(statuses, string(name))
		return origintest.Fault{Status: status}
	}})
	e := r.engine(nil)
	r.must(e.Run(t.Context()))
	r.complete(200)
	want := [mirror.Retries]int64{mirror.RetryUnavailable: 2, mirror.RetryNotThere: 1, mirror.RetryThrottled: 2, mirror.RetryRefused: 1}
	if n := e.Counts(); n.Retries != want || n.Files != 200 {
		t.Errorf("counted %+v, want retries %v", n, want)
	}
}

// TestReach has an origin be away, be found so, and come back.
func TestReach(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 2000})
	r := newRig(t, serve.Options{PageSize: 100}, src)
	e := r.engine(soon)
	away := origintest.Fault{Status: 503}
	r.server.SetFaults(origintest.Faults{
		OnGet:  func([]byte, int) origintest.Fault { return away },
		OnList: func(string, int) origintest.Fault { return away },
	})
	if reach := e.Condition().Reach; reach != mirror.ReachUnknown {
		t.Errorf("reach %v before anything was asked", reach)
	}
	if err := e.Run(t.Context()); !errors.Is(err, mirror.ErrOutage) {
		t.Errorf("an outage gives %v", err)
	}
	if n := e.Counts(); e.Condition().Reach != mirror.ReachDown || n.Retries[mirror.RetryUnavailable] == 0 {
		t.Errorf("while it is away: %+v, %+v", e.Condition(), n)
	}
	r.server.SetFaults(origintest.Faults{})
	r.must(e.Run(t.Context()))
	r.complete(2000)
	if reach := e.Condition().Reach; reach != mirror.ReachUp {
		t.Errorf("reach %v when it is back", reach)
	}
}

// TestThrottledTime has a page of the listing be put off twice, for a second each.
func TestThrottledTime(t *testing.T) {
	r := newRig(t, serve.Options{}, named("a", "b"))
	r.server.SetFaults(origintest.Faults{OnList: func(_ string, n int) origintest.Fault {
		if n < 2 {
			return origintest.Fault{Status: 429, RetryAfter: time.Second}
		}
		return origintest.Fault{}
	}})
	e := r.engine(nil)
	start := time.Now()
	r.must(e.Run(t.Context()))
	took, n := time.Since(start), e.Counts()
	if n.Throttled < 2*time.Second || n.Throttled > took || n.Retries[mirror.RetryThrottled] != 2 {
		t.Errorf("in %v counted %+v", took, n)
	}
	if reach := e.Condition().Reach; reach != mirror.ReachUp {
		t.Errorf("reach %v of an origin that asked for patience", reach)
	}
}
