package cluster

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/objectstest"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/rs/zerolog"
)

// shared is a bus that others may be at, with a call at each time that its lease is acquired.
type shared struct {
	*Local
	acquired func()
}

func (s *shared) Lease() Lease { return s }

func (s *shared) Acquire(ctx context.Context) (context.Context, uint64, error) {
	s.acquired()
	return s.Local.Lease().Acquire(ctx)
}

func (s *shared) Release(ctx context.Context) error { return s.Local.Lease().Release(ctx) }

// TestStoreAwayForEver has the object store be away for an hour from a process that waits for ever.
// It lets the others lead meanwhile, and takes part again.
func TestStoreAwayForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
		defer cancel()
		o := newTestProcess(t, NewLocal()).o
		client := o.Store.(*objectstest.Memory).Client(objectstest.Options{})
		led := 0
		o.Bus = &shared{NewLocal(), func() {
			if led++; led == 1 {
				client.SetAway(true)
			}
		}}
		o.Store, o.Engine.Outage = objects.Retry(client, zerolog.Nop()), -1
		p, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		defer time.AfterFunc(time.Hour, func() { client.SetAway(false) }).Stop()
		began := time.Now()
		result, err := p.Run(ctx)
		if took := time.Since(began); err != nil || !result.Complete || took < time.Hour || led != 2 {
			t.Errorf("after %v, %d times the leader: %+v, %v", took, led, result, err)
		}
	})
}

// TestOriginAwayForEver has the origin be away from a process that waits for ever, until another
// could have led.
func TestOriginAwayForEver(t *testing.T) {
	files := testFiles(700)
	r := newRig(t, files, 100)
	r.server.SetFaults(origintest.Faults{OnList: func(string, int) origintest.Fault { return origintest.Fault{Status: 502} }})
	var led atomic.Int64
	_, err := r.run(t.Context(), func(o *Options) {
		o.Haste, o.Engine.Outage = maxHaste, -1
		o.Bus = &shared{NewLocal(), func() {
			if led.Add(1) == 2 {
				r.server.SetFaults(origintest.Faults{})
			}
		}}
	})
	if err != nil || led.Load() != 2 {
		t.Fatalf("%d times the leader: %v", led.Load(), err)
	}
	r.compare(t.Context(), files, nil)
}

// hanging is a bus that has given out all that there is, and then hangs for ever in whatever is asked of it.
type hanging struct {
	*Local
	hangs atomic.Bool
}

func (h *hanging) wait(ctx context.Context) error {
	if !h.hangs.Load() {
		return nil
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

func (h *hanging) Report(ctx context.Context, _ []byte) error { return h.wait(ctx) }
func (h *hanging) Lease() Lease                               { return h }
func (h *hanging) Release(ctx context.Context) error          { return h.wait(ctx) }

func (h *hanging) Acquire(ctx context.Context) (context.Context, uint64, error) {
	return h.Local.Lease().Acquire(ctx)
}

func (h *hanging) Pull(ctx context.Context) (Item, error) {
	item, err := h.Local.Pull(ctx)
	return hangingItem{item, h}, err
}

type hangingItem struct {
	Item
	h *hanging
}

func (i hangingItem) Working(ctx context.Context) error               { return i.h.wait(ctx) }
func (i hangingItem) Done(ctx context.Context) error                  { return i.h.wait(ctx) }
func (i hangingItem) Back(ctx context.Context, _ time.Duration) error { return i.h.wait(ctx) }

// TestEndsWithAllAway has bus and object store be away as a process is to end that fetches and leads.
func TestEndsWithAllAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &hanging{Local: NewLocal()}
		o := newTestProcess(t, bus).o
		client := o.Store.(*objectstest.Memory).Client(objectstest.Options{})
		o.Store, o.SegmentNames = objects.Retry(client, zerolog.Nop()), 1
		o.source = late{o.source.(*fakeSource), time.Hour}
		p, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error, 1)
		go func() { _, err := p.Run(ctx); ended <- err }()
		time.Sleep(time.Minute)
		bus.hangs.Store(true)
		client.SetAway(true)
		time.Sleep(5 * time.Second)
		began := time.Now()
		cancel(errStopped)
		if err := <-ended; !errors.Is(err, errStopped) || time.Since(began) > leaveTimeout+goodbyeTimeout {
			t.Errorf("it ends after %v: %v", time.Since(began), err)
		}
	})
}
