package mirror_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestTooManyRequests has an origin that answers 429 to half of what it is asked
// for, for a while. No file may fail for it.
func TestTooManyRequests(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 400})
	r := newRig(t, serve.Options{PageSize: 100}, src)
	var refused atomic.Int64
	r.server.SetFaults(origintest.Faults{OnGet: func(_ []byte, n int) origintest.Fault {
		if n < 200 && n%20 == 0 {
			refused.Add(1)
			return origintest.Fault{Status: 429}
		}
		return origintest.Fault{}
	}})
	r.must(r.run(func(o *mirror.Options) { o.Outage = time.Minute }))
	r.complete(400)
	r.same(src)
	if refused.Load() < 5 {
		t.Errorf("only %d requests were refused: this test tests nothing", refused.Load())
	}
}

// TestFileThatIsAlwaysPutOff has one file answer 429 for ever.
func TestFileThatIsAlwaysPutOff(t *testing.T) {
	r := newRig(t, serve.Options{}, named("a", "b", "c"))
	r.server.SetFaults(onName("b", origintest.Fault{Status: 429, RetryAfter: time.Hour}))
	r.must(r.run(func(o *mirror.Options) { o.Outage = time.Second }))
	r.verify()
	if p := r.store.Progress(); p.Failed != 1 || p.Fetched != 2 {
		t.Errorf("progress %+v", p)
	}
	r.must(r.store.Failures(0, func(_ cache.Inode, f cache.Failure) bool {
		if f.Name != "b" {
			t.Errorf("%q failed", f.Name)
		}
		return true
	}))
}

func TestLimitedMirrorIsWhole(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 200, LargeEvery: 50, LargeSize: 200_000})
	r := newRig(t, serve.Options{PageSize: 100}, src)
	r.must(r.run(func(o *mirror.Options) { o.LimitFiles, o.LimitRate = 2000, 10<<20 }))
	r.complete(200)
	r.same(src)
}

// TestLimitIsNoOutage has a long file come so slowly by the limit that what is read at a time without one
// takes longer than an outage may last.
func TestLimitIsNoOutage(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 1, LargeEvery: 1, LargeSize: 150_000})
	r := newRig(t, serve.Options{}, src)
	r.must(r.run(func(o *mirror.Options) { o.LimitRate, o.Outage = 60_000, time.Second }))
	r.complete(1)
	r.same(src)
	if gets := r.gets(); gets != 1 {
		t.Errorf("the origin is asked %d times", gets)
	}
}

func TestBadLimits(t *testing.T) {
	r := newRig(t, serve.Options{}, named("a"))
	_, err := mirror.Open(mirror.Options{Store: r.store, Lister: r.client, Fetcher: r.client, LimitRate: -1})
	if err == nil || errors.Is(err, mirror.ErrClosed) {
		t.Errorf("a negative limit gives %v", err)
	}
}
