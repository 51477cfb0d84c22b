package mirror_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestProxyOfAnOriginThatIsDown answers 503 for everything after a while: that
// is an outage, and held against no file.
func TestProxyOfAnOriginThatIsDown(t *testing.T) {
	r := newRig(t, serve.Options{PageSize: 100}, serve.NewSynthetic(serve.SyntheticOptions{Files: 2000}))
	down := origintest.Fault{Status: 503}
	r.server.SetFaults(origintest.Faults{
		OnGet: func([]byte, int) origintest.Fault { return down },
		OnList: func(marker string, n int) origintest.Fault {
			if n > 2 {
				return down
			}
			return origintest.Fault{}
		},
	})
	if err := r.run(soon); !errors.Is(err, mirror.ErrOutage) {
		t.Errorf("an outage gives %v", err)
	}
	r.verify()
	if p := r.store.Progress(); p.Failed != 0 || p.Complete() {
		t.Errorf("progress %+v", p)
	}
	r.server.SetFaults(origintest.Faults{})
	r.must(r.run(nil))
	r.complete(2000)
}

// TestRetryAfterOfOneFile asks for an hour's patience with one file: the file
// fails, the others are there, and the run ends.
func TestRetryAfterOfOneFile(t *testing.T) {
	var names []string
	for i := range 300 {
		names = append(names, fmt.Sprintf("f%03d", i))
	}
	r := newRig(t, serve.Options{PageSize: 100}, named(names...))
	r.server.SetFaults(onName("f123", origintest.Fault{Status: 503, RetryAfter: time.Hour}))
	r.must(r.run(func(o *mirror.Options) { o.Outage = time.Second }))
	r.verify()
	if p := r.store.Progress(); p.Failed != 1 || p.Fetched != 299 {
		t.Errorf("progress %+v", p)
	}
}

// TestRunAgainAfterAnOutage stops in the middle of a long page that is out of
// order, and lists it again in the same session.
func TestRunAgainAfterAnOutage(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 8000, Shuffle: true})
	r := newRig(t, serve.Options{PageSize: 8000}, src)
	cut := origintest.Fault{Mode: origintest.Cut}
	r.server.SetFaults(origintest.Faults{
		OnGet: func(_ []byte, n int) origintest.Fault {
			if n > 2500 {
				return cut
			}
			return origintest.Fault{}
		},
		OnList: func(_ string, n int) origintest.Fault {
			if n > 1 {
				return cut
			}
			return origintest.Fault{}
		},
	})
	e := r.engine(func(o *mirror.Options) { soon(o); o.Connections = 1 })
	if err := e.Run(t.Context()); !errors.Is(err, mirror.ErrOutage) {
		t.Errorf("an outage gives %v", err)
	}
	before := r.store.Progress().Fetched
	r.server.SetFaults(origintest.Faults{})
	gets := r.gets()
	r.must(e.Run(t.Context()))
	r.complete(8000)
	r.same(src)
	if n := r.gets() - gets; n != 8000-int64(before) {
		t.Errorf("%d gets for %d missing files", n, 8000-before)
	}
}
