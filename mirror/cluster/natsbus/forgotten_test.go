package natsbus_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror/cluster/natsbus"
	"github.com/motefs/motefs/mirror/cluster/natsbus/natstest"
)

const stream = "motefs_" + mirror

// lost waits until a bus says that items may be lost.
func lost(t *testing.T, b *natsbus.Bus) {
	t.Helper()
	select {
	case <-b.Lost():
	case <-deadline(t).Done():
		t.Fatal("it does not say that items may be lost")
	}
}

// Whatever NATS forgets, the bus makes again and says so, and what is offered then is given out, also
// what was given out before. An item of the old queue that is done late takes none of the new
// one away.
func TestForgotten(t *testing.T) {
	for name, forget := range map[string]func(t *testing.T, c *natstest.Cluster){
		"deleted": func(t *testing.T, c *natstest.Cluster) { c.Delete(stream) },
		"purged":  func(t *testing.T, c *natstest.Cluster) { c.Purge(stream) },
		"disk wiped": func(t *testing.T, c *natstest.Cluster) {
			c.Kill(0)
			c.Wipe(0)
			c.Start(0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := natstest.New(t, 1)
			a, b := join(t, options(t, c.URL())), join(t, options(t, c.URL()))
			ctx := deadline(t)
			must(t, a.Offer(ctx, []uint64{1, 2, 3}))
			old := pull(t, a)
			forget(t, c)
			lost(t, a)
			lost(t, b)
			must(t, b.Offer(ctx, []uint64{1, 2, 3}))
			must(t, old.Working(ctx))
			must(t, old.Done(ctx))
			got := map[uint64]bool{}
			for range 3 {
				item := pull(t, b)
				got[item.Seq()] = true
				must(t, item.Done(ctx))
			}
			if len(got) != 3 {
				t.Errorf("of 1, 2 and 3 only %v are given out", got)
			}
			none(t, a)
		})
	}
}

// Where only the consumer is gone, all items are still there.
func TestConsumerDeleted(t *testing.T) {
	c := natstest.New(t, 1)
	b := join(t, options(t, c.URL()))
	ctx := deadline(t)
	must(t, b.Offer(ctx, []uint64{1, 2}))
	first := pull(t, b)
	waits := make(chan uint64)
	go func() {
		for range 2 {
			item := pull(t, b)
			must(t, item.Done(ctx))
			waits <- item.Seq()
		}
	}()
	if seq := <-waits; seq != 2 {
		t.Fatalf("segment %d", seq)
	}
	must(t, c.JetStream().DeleteConsumer(ctx, stream, "workers"))
	if seq := <-waits; seq != first.Seq() {
		t.Errorf("segment %d is given out again, want %d", seq, first.Seq())
	}
}

// A wiped bucket ends the lease of who had it, and the next one gets it.
func TestLeaseWiped(t *testing.T) {
	c := natstest.New(t, 1)
	a, b := join(t, options(t, c.URL())), join(t, options(t, c.URL()))
	held, _ := acquire(t, a)
	must(t, c.JetStream().DeleteKeyValue(deadline(t), "motefs_lease_"+mirror))
	_, epoch := acquire(t, b)
	if epoch != 1 {
		t.Errorf("epoch %d of a bucket that has forgotten all", epoch)
	}
	select {
	case <-held.Done():
	case <-deadline(t).Done():
		t.Fatal("held in spite of another")
	}
	if !errors.Is(context.Cause(held), natsbus.ErrLost) {
		t.Errorf("cause: %v", context.Cause(held))
	}
}

// While NATS is away, all calls wait, or end with their contexts; then they go on. The lease ends in
// time.
func TestAway(t *testing.T) {
	for name, away := range map[string]struct{ leave, comeBack func(*natstest.Cluster) }{
		"killed":  {func(c *natstest.Cluster) { c.Kill(0) }, func(c *natstest.Cluster) { c.Start(0) }},
		"cut off": {(*natstest.Cluster).CutAll, (*natstest.Cluster).MendAll},
	} {
		t.Run(name, func(t *testing.T) {
			c := natstest.New(t, 1)
			b := join(t, options(t, c.URL()))
			ctx := deadline(t)
			must(t, b.Offer(ctx, []uint64{1}))
			item := pull(t, b)
			held, epoch := acquire(t, b)
			away.leave(c)
			<-held.Done()
			if !errors.Is(context.Cause(held), natsbus.ErrLost) {
				t.Errorf("cause of the lease's end: %v", context.Cause(held))
			}
			calls := map[string]func(context.Context) error{
				"offer": func(ctx context.Context) error { return b.Offer(ctx, []uint64{2}) },
				"pull": func(ctx context.Context) error {
					item, err := b.Pull(ctx)
					if err == nil {
						err = item.Back(ctx, 0)
					}
					return err
				},
				"acquire": func(ctx context.Context) error {
					_, e, err := b.Lease().Acquire(ctx)
					if err == nil && e <= epoch {
						t.Errorf("epoch %d after %d", e, epoch)
					}
					return err
				},
				"done":   item.Done,
				"report": func(ctx context.Context) error { return b.Report(ctx, []byte("here")) },
			}
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			errs := make(chan error)
			for name, call := range calls {
				if name == "report" {
					continue // a connection that is only silent takes it
				}
				go func() {
					if err := call(short); !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%s without NATS: %v", name, err)
					}
					errs <- nil
				}()
			}
			for range len(calls) - 1 {
				<-errs
			}
			for name, call := range calls {
				go func() {
					if err := call(ctx); err != nil {
						t.Errorf("%s with NATS back: %v", name, err)
					}
					errs <- nil
				}()
			}
			away.comeBack(c)
			for range calls {
				<-errs
			}
			if name == "killed" { // a connection that was silent for a while goes on
				lost(t, b)
			}
		})
	}
}
