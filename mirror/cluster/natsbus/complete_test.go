package natsbus_test

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/motefs/motefs/mirror/cluster/natsbus"
	"github.com/motefs/motefs/mirror/cluster/natsbus/natstest"
)

// ofMirror are the streams that NATS has of a mirror, buckets among them.
func ofMirror(t *testing.T, js jetstream.JetStream, id string) (names []string) {
	t.Helper()
	all := js.StreamNames(deadline(t))
	for name := range all.Name() {
		if strings.Contains(name, id) {
			names = append(names, name)
		}
	}
	must(t, all.Err())
	return names
}

// A mirror that is complete leaves nothing in NATS but a note, which a watcher sees. Who comes late,
// or again, is not held up by it, nor is another mirror.
func TestComplete(t *testing.T) {
	for _, servers := range []int{1, 3} {
		c := natstest.New(t, servers)
		one, every := watch(t, c.URL(), mirror), watch(t, c.URL(), "")
		first, second := join(t, options(t, c.URL())), join(t, options(t, c.URL()))
		held, _ := acquire(t, first)
		must(t, first.Offer(deadline(t), []uint64{1, 2, 3}))
		must(t, pull(t, second).Done(deadline(t)))
		other := options(t, c.URL())
		other.Mirror = "another"
		beside := join(t, other)
		must(t, beside.Offer(deadline(t), []uint64{9}))
		if n := len(ofMirror(t, c.JetStream(), mirror)); n != 2 {
			t.Fatalf("%d streams are there at first", n)
		}
		must(t, first.Lease().Release(deadline(t)))
		<-held.Done()
		for _, b := range []*natsbus.Bus{second, first} {
			must(t, b.Complete(deadline(t), []byte("all is there")))
			must(t, b.Complete(deadline(t), []byte("all is there")))
		}
		must(t, first.Close())
		must(t, second.Close())
		if left := ofMirror(t, c.JetStream(), mirror); len(left) > 0 {
			t.Errorf("%v are left", left)
		}
		if item := pull(t, beside); item.Seq() != 9 {
			t.Errorf("segment %d of another mirror", item.Seq())
		}
		for _, w := range []*natsbus.Watcher{one, every} {
			all, err := w.Mirrors(deadline(t))
			must(t, err)
			var found []string
			for _, m := range all {
				found = append(found, m.ID+" "+string(m.Complete))
			}
			want := "another ," + mirror + " all is there"
			if w == one {
				want = mirror + " all is there"
			}
			if got := strings.Join(found, ","); got != want {
				t.Errorf("the watcher sees %q, not %q", got, want)
			}
		}
		// Somebody makes it again after all.
		late := join(t, options(t, c.URL()))
		must(t, late.Offer(deadline(t), []uint64{4}))
		if item := pull(t, late); item.Seq() != 4 {
			t.Errorf("segment %d for who comes late", item.Seq())
		}
		acquire(t, late)
		must(t, late.Complete(deadline(t), []byte("again")))
		must(t, late.Close())
		if left := ofMirror(t, c.JetStream(), mirror); len(left) > 0 {
			t.Errorf("%v are left of who came late", left)
		}
		if all, err := one.Mirrors(deadline(t)); err != nil || len(all) != 1 || string(all[0].Complete) != "again" {
			t.Errorf("the watcher sees %+v, %v", all, err)
		}
	}
}

func watch(t *testing.T, urls, of string) *natsbus.Watcher {
	t.Helper()
	o := options(t, urls)
	o.Mirror = of
	w, err := natsbus.Watch(deadline(t), o)
	must(t, err)
	t.Cleanup(func() { must(t, w.Close()) })
	return w
}
