package natsbus_test

import (
	"slices"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror/cluster/natsbus/natstest"
)

// What is offered is given out once, in order, and gone when it is done; until then offering it
// again changes nothing, and afterwards it brings it back at once.
func TestItems(t *testing.T) {
	c := natstest.New(t, 1)
	b := join(t, options(t, c.URL()))
	var seqs []uint64
	for seq := range uint64(1200) { // more than one window
		seqs = append(seqs, seq)
	}
	ctx := deadline(t)
	must(t, b.Offer(ctx, seqs))
	must(t, b.Offer(ctx, seqs))
	var got []uint64
	for range seqs {
		item := pull(t, b)
		if item.Tries() != 1 {
			t.Errorf("segment %d is given out for the %dth time", item.Seq(), item.Tries())
		}
		got = append(got, item.Seq())
		must(t, item.Working(ctx))
		must(t, b.Offer(ctx, []uint64{item.Seq()}))
		must(t, item.Done(ctx))
		must(t, item.Done(ctx))
	}
	if !slices.Equal(got, seqs) {
		t.Errorf("got %v", got)
	}
	none(t, b)
	must(t, b.Offer(ctx, []uint64{7}))
	if item := pull(t, b); item.Seq() != 7 {
		t.Errorf("got %d, want 7", item.Seq())
	}
}

// An item of a worker that says nothing is given to another, and one that is worked at is not.
func TestDeadWorker(t *testing.T) {
	c := natstest.New(t, 1)
	dead, alive := join(t, options(t, c.URL())), join(t, options(t, c.URL()))
	ctx := deadline(t)
	must(t, dead.Offer(ctx, []uint64{1, 2}))
	first, second := pull(t, dead), pull(t, dead)
	keep := time.NewTicker(itemTimeout / 4)
	defer keep.Stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 12 { // three times the timeout
			<-keep.C
			must(t, second.Working(ctx))
		}
	}()
	again := pull(t, alive)
	if again.Seq() != first.Seq() || again.Tries() != 2 {
		t.Errorf("segment %d is given out for the %dth time", again.Seq(), again.Tries())
	}
	must(t, again.Done(ctx))
	<-done
	must(t, second.Done(ctx))
	none(t, alive)
	must(t, first.Done(ctx)) // late, and no error
}

// Back gives an item to another, not before its time.
func TestBack(t *testing.T) {
	c := natstest.New(t, 1)
	b := join(t, options(t, c.URL()))
	ctx := deadline(t)
	must(t, b.Offer(ctx, []uint64{5}))
	start := time.Now()
	must(t, pull(t, b).Back(ctx, time.Second))
	item := pull(t, b)
	if item.Tries() != 2 {
		t.Errorf("tries %d", item.Tries())
	}
	if time.Since(start) < time.Second { // the server's clock, and this one, from before
		t.Error("came back too early")
	}
	must(t, item.Back(ctx, 0))
	must(t, pull(t, b).Done(ctx))
	none(t, b)
}

// An item whose worker has gone is given to another at once where it is offered again; what that
// worker says of it, if it lives after all, is of the old one.
func TestOfferAgain(t *testing.T) {
	c := natstest.New(t, 1)
	gone, alive := join(t, options(t, c.URL())), join(t, options(t, c.URL()))
	ctx := deadline(t)
	must(t, gone.Offer(ctx, []uint64{1}))
	old := pull(t, gone)
	must(t, alive.Offer(ctx, []uint64{1}))
	must(t, alive.OfferAgain(ctx, []uint64{1}))
	item := pull(t, alive)
	if item.Seq() != 1 || item.Tries() != 1 {
		t.Errorf("segment %d is given out for the %dth time, and not by the new offer", item.Seq(), item.Tries())
	}
	must(t, old.Done(ctx))
	must(t, alive.Offer(ctx, []uint64{1})) // it is worked at
	none(t, alive)
	must(t, item.Done(ctx))
	none(t, gone)
}
