package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/motefs/motefs/mirror/wire"
)

// storm is an origin that answers the gets from the begin-th on with a fault,
// until it is over.
type storm struct {
	fault origintest.Fault
	begin int
	// part is the share of the gets that meet the fault, in percent.
	part  int
	lists bool // the listing meets it too

	began chan struct{}
	begun atomic.Bool
	over  atomic.Bool
}

func (s *storm) faults() origintest.Faults {
	s.began = make(chan struct{})
	s.begun.Store(false)
	s.over.Store(false)
	fault := func() origintest.Fault {
		if !s.begun.Load() || s.over.Load() || rand.IntN(100) >= s.part {
			return origintest.Fault{}
		}
		return s.fault
	}
	return origintest.Faults{
		OnGet: func(_ []byte, n int) origintest.Fault {
			if n >= s.begin && !s.begun.Swap(true) {
				close(s.began)
			}
			return fault()
		},
		OnList: func(string, int) origintest.Fault {
			if !s.lists {
				return origintest.Fault{}
			}
			return fault()
		},
	}
}

var storms = map[string]*storm{
	"502":            {fault: origintest.Fault{Status: 502}, begin: 1500, part: 100, lists: true},
	"503 of all":     {fault: origintest.Fault{Status: 503}, begin: 0, part: 100},
	"404":            {fault: origintest.Fault{Status: 404}, begin: 1500, part: 100, lists: true},
	"404 of some":    {fault: origintest.Fault{Status: 404}, begin: 500, part: 50},
	"410 at the end": {fault: origintest.Fault{Status: 410}, begin: 3900, part: 100},
	"403":            {fault: origintest.Fault{Status: 403}, begin: 1500, part: 100},
	"login":          {fault: origintest.Fault{Location: "/login"}, begin: 1500, part: 100, lists: true},
	"cut":            {fault: origintest.Fault{Mode: origintest.Cut}, begin: 1500, part: 100, lists: true},
	"garbage":        {fault: origintest.Fault{Mode: origintest.Raw, Body: []byte("SSH-2.0\r\n\r\n"), Close: true}, begin: 1500, part: 100},
	"500 of some":    {fault: origintest.Fault{Status: 500}, begin: 500, part: 30},
}

// TestStormPasses has an origin that goes wrong in the middle, in every way that a
// balancer knows, and is well again after a while. That costs time and nothing
// else: not a file fails, and none is taken for gone.
func TestStormPasses(t *testing.T) {
	for what, storm := range storms {
		t.Run(what, func(t *testing.T) {
			src := serve.NewSynthetic(serve.SyntheticOptions{Files: 4000})
			r := newRig(t, serve.Options{PageSize: 70}, src)
			r.server.SetFaults(storm.faults())
			go func() {
				<-storm.began
				time.Sleep(150 * time.Millisecond)
				storm.over.Store(true)
			}()
			r.must(r.run(func(o *mirror.Options) { o.Backoff = 20 * time.Millisecond }))
			r.complete(4000)
			r.same(src)
			if p := r.store.Progress(); p.Gone != 0 || p.Failed != 0 {
				t.Errorf("progress %+v", p)
			}
		})
	}
}

// TestStormOutlastsPatience has a storm that does not end while the mirror is
// willing to wait: it stops and says so, nothing is held against a file, and the
// next run ends as if nothing had been.
func TestStormOutlastsPatience(t *testing.T) {
	for what, storm := range storms {
		if storm.part < 100 || what == "410 at the end" {
			continue
		}
		t.Run(what, func(t *testing.T) {
			src := serve.NewSynthetic(serve.SyntheticOptions{Files: 4000})
			r := newRig(t, serve.Options{PageSize: 700}, src)
			r.server.SetFaults(storm.faults())
			if err := r.run(soon); !errors.Is(err, mirror.ErrOutage) {
				t.Errorf("the storm gives %v", err)
			}
			r.verify()
			if p := r.store.Progress(); p.Gone != 0 || p.Failed != 0 || p.Complete() {
				t.Errorf("progress %+v", p)
			}
			r.server.SetFaults(origintest.Faults{})
			r.must(r.run(nil))
			r.complete(4000)
			r.same(src)
		})
	}
}

// TestPageRefusedOnce has one page in the middle be refused, as it is where a storm
// ends between the page and the question whether the origin is well.
func TestPageRefusedOnce(t *testing.T) {
	r := newRig(t, serve.Options{PageSize: 70}, serve.NewSynthetic(serve.SyntheticOptions{Files: 1000}))
	// Twice, as the client asks again on a connection of its own.
	var refused atomic.Int32
	r.server.SetFaults(origintest.Faults{OnList: func(marker string, _ int) origintest.Fault {
		if marker == "700" && refused.Add(1) <= 2 {
			return origintest.Fault{Location: "/login"}
		}
		return origintest.Fault{}
	}})
	r.must(r.run(nil))
	r.complete(1000)
	if refused.Load() < 3 {
		t.Error("the page was not refused")
	}
}

// TestManyGone has more files gone than are believed.
func TestManyGone(t *testing.T) {
	var names []string
	for i := range 3000 {
		names = append(names, fmt.Sprintf("f%04d", i))
	}
	src := named(names...)
	for _, name := range names[1000:2500] {
		src.Vanish(name)
	}
	r := newRig(t, serve.Options{PageSize: 3000}, src)
	var log strings.Builder
	quick := func(o *mirror.Options) {
		warnings(&log)(o)
		o.Backoff, o.Outage = 100*time.Microsecond, 3*time.Second
	}
	if err := r.run(quick); !errors.Is(err, mirror.ErrManyGone) {
		t.Errorf("1,500 of 3,000 gone gives %v", err)
	}
	if n := strings.Count(log.String(), "so many are not believed"); n != 1 {
		t.Errorf("that is said %d times", n)
	}
	r.verify()
	if p := r.store.Progress(); p.Gone != 0 || p.Fetched != 1500 || p.Failed != 1500 {
		t.Errorf("progress %+v", p)
	}
	r.must(r.run(func(o *mirror.Options) { quick(o); o.MaxGone = mirror.GoneLimit{Percent: 50} }))
	r.complete(3000)
	if p := r.store.Progress(); p.Gone != 1500 {
		t.Errorf("progress %+v", p)
	}
}

// guards is how many gets a client may make beside those of files, to prove their order.
const guards = 16

// TestSlowBatchesAreCommitted has an origin that takes its time for each file and
// is asked one at a time. What has come is in the store long before the batch is
// done.
func TestSlowBatchesAreCommitted(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 900})
	r := newRig(t, serve.Options{PageSize: 900, GetLatency: 10 * time.Millisecond}, src)
	timeouts := wire.DefaultTimeouts
	timeouts.Round = 100 * time.Millisecond
	client, err := origin.New(origin.Options{BaseURL: r.server.URL(), Options: wire.Options{Pipeline: 1, Timeouts: timeouts}})
	r.must(err)
	defer client.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	e := r.engine(func(o *mirror.Options) { o.Fetcher, o.Connections = client, 1 })
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	for r.store.Progress().Fetched == 0 {
		select {
		case err := <-ended:
			t.Fatalf("nothing was committed before the end: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	if n := r.store.Progress().Fetched; n >= 900 {
		t.Errorf("all %d files were committed at once", n)
	}
	cancel()
	<-ended
	r.must(e.Close())
	r.verify()
	had := int64(r.store.Progress().Fetched)
	before := r.gets()
	r.must(r.run(nil))
	r.complete(900)
	if n := r.gets() - before; n < 900-had || n > 900-had+guards {
		t.Errorf("%d gets for the %d files that were missing", n, 900-had)
	}
}

// TestLimitsDoNotSlowReaders has a mirror that may ask for a file an hour, and
// readers of long and short files.
func TestLimitsDoNotSlowReaders(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 60, LargeEvery: 10, LargeSize: 200 << 10})
	r := newRig(t, serve.Options{}, src)
	r.must(r.run(func(o *mirror.Options) { o.Prefetch = false }))
	e := r.engine(func(o *mirror.Options) { o.LimitFiles, o.LimitRate = 1, 1 })
	for i := range src.Len() {
		if _, err := r.demand(e, src.Name(i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range src.Len() { // long ones may still be coming
		for {
			entry, err := r.store.Lookup(cache.RootInode, src.Name(i))
			r.must(err)
			if entry.Here() {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
	r.same(src)
}
