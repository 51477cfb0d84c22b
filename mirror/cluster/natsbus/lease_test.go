package natsbus_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/cluster/natsbus"
	"github.com/motefs/motefs/mirror/cluster/natsbus/natstest"
)

// holdPart is the variable by which this program is told to hold a lease: the servers' URLs.
const holdPart = "MOTEFS_TEST_HOLD"

// holdMain holds a lease, says its epochs, and when it is lost.
func holdMain() {
	b, err := natsbus.Open(context.Background(), natsbus.Options{Servers: os.Getenv(holdPart), Mirror: mirror, Process: "holder", LeaseTimeout: leaseTimeout})
	for err == nil {
		var held context.Context
		var epoch uint64
		if held, epoch, err = b.Lease().Acquire(context.Background()); err == nil {
			fmt.Println("held", epoch)
			<-held.Done()
			fmt.Println("lost", errors.Is(context.Cause(held), natsbus.ErrLost))
		}
	}
	fmt.Println(err)
	os.Exit(1)
}

// acquire acquires the lease.
func acquire(tb testing.TB, b *natsbus.Bus) (context.Context, uint64) {
	tb.Helper()
	held, epoch, err := b.Lease().Acquire(deadline(tb))
	must(tb, err)
	return held, epoch
}

// A lease is one's own until it is released, and the next epoch is higher.
func TestLease(t *testing.T) {
	c := natstest.New(t, 1)
	a, b := join(t, options(t, c.URL())), join(t, options(t, c.URL()))
	held, epoch := acquire(t, a)
	if _, _, err := a.Lease().Acquire(deadline(t)); !errors.Is(err, natsbus.ErrHeld) {
		t.Errorf("acquired twice: %v", err)
	}
	short, cancel := context.WithTimeout(context.Background(), 2*leaseTimeout)
	defer cancel()
	if _, _, err := b.Lease().Acquire(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("acquired while another holds it: %v", err)
	}
	must(t, held.Err())
	must(t, a.Lease().Release(deadline(t)))
	if held.Err() == nil {
		t.Error("held after its release")
	}
	_, next := acquire(t, b)
	if next <= epoch {
		t.Errorf("epoch %d after %d", next, epoch)
	}
	must(t, b.Close())
	if _, last := acquire(t, a); last <= next {
		t.Errorf("epoch %d after %d", last, next)
	}
}

// A holder that is killed loses the lease, and one that slept past it finds that out.
func TestHolderSleeps(t *testing.T) {
	c := natstest.New(t, 1)
	b := join(t, options(t, c.URL()))
	p := process.Start(t, process.Self(t, holdPart, c.URL()))
	if line := p.Line(); line != "held 1" {
		t.Fatalf("the holder says %q", line)
	}
	p.Signal(stop)
	held, epoch := acquire(t, b)
	if epoch != 2 {
		t.Errorf("epoch %d", epoch)
	}
	p.Signal(cont)
	if line := p.Line(); line != "lost true" {
		t.Errorf("who slept says %q", line)
	}
	must(t, held.Err())
	must(t, b.Lease().Release(deadline(t)))
	if line := p.Line(); line != "held 3" {
		t.Errorf("who slept says %q", line)
	}
	p.Kill()
	if _, epoch := acquire(t, b); epoch != 4 {
		t.Errorf("epoch %d", epoch)
	}
}
