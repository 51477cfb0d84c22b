package natsbus_test

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror/cluster"
	"github.com/motefs/motefs/mirror/cluster/natsbus"
	"github.com/motefs/motefs/mirror/cluster/natsbus/natstest"
)

func TestMain(m *testing.M) {
	natstest.Serve()
	hold()
	eventually.AllEnded(m)
}

const mirror = "0123456789abcdef0123456789abcdef"

// The tests' timeouts are shorter than those of the product, by the same amount for both.
const itemTimeout, leaseTimeout = 2 * time.Second, 3 * time.Second

var processes atomic.Int64

// options are those of a process of its own.
func options(tb testing.TB, urls string) natsbus.Options {
	return natsbus.Options{
		Servers: urls, Mirror: mirror, Process: fmt.Sprintf("p%d", processes.Add(1)),
		ItemTimeout: itemTimeout, LeaseTimeout: leaseTimeout, Log: zerolog.New(zerolog.NewTestWriter(tb)),
	}
}

// join opens a bus that the test closes.
func join(tb testing.TB, o natsbus.Options) *natsbus.Bus {
	tb.Helper()
	b, err := natsbus.Open(deadline(tb), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := b.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
	return b
}

// deadline is a context after which a test has waited in vain.
func deadline(tb testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), eventually.Deadline)
	tb.Cleanup(cancel)
	return ctx
}

func pull(tb testing.TB, b *natsbus.Bus) cluster.Item {
	tb.Helper()
	item, err := b.Pull(deadline(tb))
	if err != nil {
		tb.Fatal(err)
	}
	return item
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// none fails the test if there is an item for b; that is known once NATS has answered a
// request that was made later.
func none(tb testing.TB, b *natsbus.Bus) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	if item, err := b.Pull(ctx); err == nil {
		tb.Fatalf("segment %d is given out", item.Seq())
	}
}

// hold is another part of this program; see lease_test.go.
func hold() {
	if os.Getenv(holdPart) != "" {
		holdMain()
	}
}
