package natsbus_test

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror/cluster/natsbus"
	"github.com/motefs/motefs/mirror/cluster/natsbus/natstest"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/objectstest"
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
		// Who comes late finds out, and makes nothing. Where the store says otherwise it goes on.
		late := join(t, options(t, c.URL()))
		if !late.Over() {
			t.Error("who comes late does not find out")
		}
		if left := ofMirror(t, c.JetStream(), mirror); len(left) > 0 {
			t.Errorf("%v are made by who comes late", left)
		}
		must(t, late.GoOn(deadline(t)))
		if all, err := one.Mirrors(deadline(t)); err != nil || len(all) != 0 || late.Over() {
			t.Errorf("with the note removed the watcher sees %+v, %v", all, err)
		}
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

// Some have not heard of the end as another removes what NATS has. They wait, make nothing again, and
// end at once.
func TestCompleteUnheard(t *testing.T) {
	c := natstest.New(t, 1)
	first, second, third := join(t, options(t, c.URL())), join(t, options(t, c.URL())), join(t, options(t, c.URL()))
	held, _ := acquire(t, second)
	must(t, first.Offer(deadline(t), []uint64{1}))
	item := pull(t, third)
	waiting, stop := context.WithCancel(t.Context())
	pulled := make(chan error, 1)
	go func() { _, err := third.Pull(waiting); pulled <- err }()
	must(t, first.Complete(deadline(t), []byte("all is there")))
	for _, b := range []*natsbus.Bus{second, third} {
		eventually.True(t, "the others to find out", b.Over)
	}
	<-held.Done()
	must(t, second.Lease().Release(deadline(t)))
	if err := item.Done(deadline(t)); err == nil {
		t.Error("an item of a queue that is gone is done")
	}
	stop()
	if err := <-pulled; !errors.Is(err, context.Canceled) {
		t.Errorf("the pull ends with %v", err)
	}
	for _, b := range []*natsbus.Bus{first, second, third} {
		must(t, b.Close())
	}
	if left := ofMirror(t, c.JetStream(), mirror); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
}

// Processes begin as another ends, each at another moment. Nothing is left of any.
func TestCompleteAsOthersBegin(t *testing.T) {
	c := natstest.New(t, 1)
	for range 8 {
		o := options(t, c.URL())
		o.Mirror = strings.ToLower(rand.Text())
		first := join(t, o)
		var wg sync.WaitGroup
		for range 3 {
			p := options(t, c.URL())
			p.Mirror = o.Mirror
			wg.Go(func() {
				b, err := natsbus.Open(deadline(t), p)
				if err == nil {
					err = b.Close()
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		must(t, first.Complete(deadline(t), []byte("all is there")))
		wg.Wait()
		if left := ofMirror(t, c.JetStream(), o.Mirror); len(left) > 0 {
			t.Errorf("%v are left", left)
		}
	}
}

// A process is killed as it ends: after the note, and before it. A watcher removes what is left after
// the note, and whoever comes next in either case.
func TestKilledAtTheEnd(t *testing.T) {
	c := natstest.New(t, 1)
	o := options(t, c.URL())
	o.Mirror = "another"
	must(t, natsbus.Complete(deadline(t), o, []byte("for the stream of notes")))
	for _, noted := range []bool{true, false} {
		must(t, join(t, options(t, c.URL())).Close())
		if noted {
			_, err := c.JetStream().Publish(deadline(t), "motefs."+mirror+".complete", []byte("all is there"))
			must(t, err)
			all, err := watch(t, c.URL(), "").Mirrors(deadline(t))
			must(t, err)
			if len(all) != 2 || string(all[1].Complete) != "all is there" && string(all[0].Complete) != "all is there" {
				t.Errorf("the watcher sees %+v", all)
			}
			if left := ofMirror(t, c.JetStream(), mirror); len(left) > 0 {
				t.Errorf("%v are left after a look", left)
			}
			b := join(t, options(t, c.URL()))
			must(t, b.GoOn(deadline(t)))
			must(t, b.Close())
			continue
		}
		must(t, natsbus.Complete(deadline(t), options(t, c.URL()), []byte("it is complete")))
		if left := ofMirror(t, c.JetStream(), mirror); len(left) > 0 {
			t.Errorf("%v are left by who comes next", left)
		}
	}
}

// A bus for claims alone makes neither queue nor lease.
func TestClaimsOnly(t *testing.T) {
	c := natstest.New(t, 1)
	o := options(t, c.URL())
	o.ClaimsOnly = true
	b := join(t, o)
	store, err := b.Claims(deadline(t), objectstest.New(objectstest.Options{}))
	must(t, err)
	must(t, store.Create(deadline(t), "a", objects.BytesBody([]byte("a"))))
	must(t, b.Close())
	if left := ofMirror(t, c.JetStream(), mirror); len(left) != 1 || !strings.Contains(left[0], "claims") {
		t.Errorf("%v are made", left)
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
