package cluster

import (
	"context"
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
