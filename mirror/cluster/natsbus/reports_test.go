package natsbus_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror/cluster/natsbus"
	"github.com/motefs/motefs/mirror/cluster/natsbus/natstest"
)

// Each process sees what the others of its mirror report, and not itself; a watcher sees all, and
// makes nothing.
func TestReports(t *testing.T) {
	c := natstest.New(t, 1)
	o := options(t, c.URL())
	o.Mirror = ""
	w, err := natsbus.Watch(deadline(t), o)
	must(t, err)
	defer w.Close()
	if all, err := w.Mirrors(deadline(t)); err != nil || len(all) != 0 {
		t.Errorf("mirrors of an empty NATS: %v, %v", all, err)
	}
	var ids []string
	var buses []*natsbus.Bus
	for range 3 {
		o := options(t, c.URL())
		ids, buses = append(ids, o.Process), append(buses, join(t, o))
	}
	other := options(t, c.URL())
	other.Mirror = "another"
	stranger := join(t, other)
	_, epoch := acquire(t, buses[0])
	must(t, buses[0].Offer(deadline(t), []uint64{1, 2, 3}))
	pull(t, buses[1])
	eventually.True(t, "all reports", func() bool {
		for i, b := range append(buses, stranger) {
			must(t, b.Report(deadline(t), []byte{byte(i)}))
		}
		for i, b := range buses {
			got, err := b.Reports(deadline(t))
			must(t, err)
			want := map[string][]byte{}
			for j, id := range ids {
				if j != i {
					want[id] = []byte{byte(j)}
				}
			}
			if _, own := got[ids[i]]; own || len(got) > len(want) {
				t.Fatalf("process %d sees %v", i, got)
			}
			if !maps.EqualFunc(got, want, slices.Equal[[]byte]) {
				return false
			}
		}
		return true
	})
	if err := buses[0].Report(deadline(t), make([]byte, 1<<20)); !errors.Is(err, natsbus.ErrTooLong) {
		t.Errorf("a long report: %v", err)
	}
	var all []natsbus.Mirror
	eventually.True(t, "all reports at the watcher", func() bool {
		all, err = w.Mirrors(deadline(t))
		must(t, err)
		return len(all) == 2 && len(all[0].Reports)+len(all[1].Reports) == 4
	})
	i := slices.IndexFunc(all, func(m natsbus.Mirror) bool { return m.ID == mirror })
	m := all[i]
	if m.Queued != 2 || m.Working != 1 || m.Lister != ids[0] || m.Epoch != epoch || len(m.Reports) != 3 {
		t.Errorf("the watcher sees %+v", m)
	}
	must(t, buses[2].Report(deadline(t), nil))
	eventually.True(t, "a goodbye to be heard", func() bool {
		got, err := buses[0].Reports(deadline(t))
		must(t, err)
		return len(got) == 1
	})
	o.Mirror = "none"
	one, err := natsbus.Watch(deadline(t), o)
	must(t, err)
	defer one.Close()
	if all, err := one.Mirrors(deadline(t)); err != nil || len(all) != 0 {
		t.Errorf("a mirror that is not there: %v, %v", all, err)
	}
}

// A process whose network to NATS is silent finds out that it hears nobody, and that it does again.
func TestReportsAway(t *testing.T) {
	c := natstest.New(t, 1)
	o := options(t, c.URL())
	o.ReportAge = time.Second
	b := join(t, o)
	report := func(away bool) func() bool {
		return func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_ = b.Report(ctx, []byte("1")) // it cannot be told while NATS is away
			return b.Away() == away
		}
	}
	eventually.True(t, "its own report", report(false))
	c.CutAll()
	eventually.True(t, "that NATS is away", report(true))
	c.MendAll()
	eventually.True(t, "its own report again", report(false))
}
