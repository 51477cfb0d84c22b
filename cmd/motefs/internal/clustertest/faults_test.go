package clustertest

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror/segments"
)

// faults are what happens to processes that make a mirror, each after some of it is made.
var faults = []struct {
	name string
	// do has it happen, and be over. One of those that live lists.
	do func(r *run, lister *member)
	// exact: no more than slots segments are given out again for each kill; alone: it is one of servers
	// that all use; mounts: the mirror is mounted while that happens; lists: the listing is still
	// under way then; waits: the origin waits until do has it go on, while some slot has nothing to do.
	exact, alone, mounts, lists, waits bool
}{
	{"a worker is killed", func(r *run, lister *member) {
		for _, m := range r.live() {
			if m != lister {
				r.kill(m)
				return
			}
		}
	}, true, false, false, false, false},
	{"the lister is killed", func(r *run, lister *member) {
		r.killLister(lister)
		r.awaitLister()
	}, true, false, false, true, false},
	{"all are killed", func(r *run, _ *member) {
		for _, m := range r.live() {
			r.kill(m)
		}
		for range 3 {
			r.join()
		}
	}, true, false, true, false, false},
	{"a server of NATS is killed", func(r *run, _ *member) {
		r.nats.Kill(0)
		r.committed(r.count("commits") + 3)
		r.nats.Start(0)
		r.nats.Await()
	}, false, true, false, false, false},
	{"two servers of NATS are killed", func(r *run, _ *member) {
		r.nats.Kill(0)
		r.nats.Kill(1)
		r.rest(3 * time.Second)
		r.nats.Start(0)
		r.nats.Start(1)
		r.nats.Await()
	}, false, true, false, false, false},
	{"all servers of NATS are killed and their disks wiped", func(r *run, _ *member) {
		for i := range 3 {
			r.nats.Kill(i)
			r.nats.Wipe(i)
		}
		for i := range 3 {
			r.nats.Start(i)
		}
		r.nats.Await()
	}, false, true, false, false, false},
	{"the queue is purged", func(r *run, _ *member) { r.nats.Purge(r.stream()) }, false, false, false, false, false},
	{"the queue is deleted", func(r *run, _ *member) { r.nats.Delete(r.stream()) }, false, false, false, false, false},
	{"all are cut off NATS", func(r *run, _ *member) { r.cutOff(4*time.Second, r.live()...) }, false, false, false, false, false},
	{"a worker is cut off NATS", func(r *run, lister *member) {
		for _, m := range r.live() {
			if m != lister {
				r.cutOff(8*time.Second, m)
				return
			}
		}
	}, false, false, false, false, false},
	{"the lister is cut off NATS", func(r *run, m *member) {
		m.way.Cut()
		r.until("another lister", func() bool { l := r.lister(); return l != nil && l != m || len(r.live()) == 1 })
		m.way.Mend()
	}, false, false, false, true, false},
	// With waits divided by 4 that is a minute.
	{"the object store is away", func(r *run, _ *member) { r.forAll(trouble{away: true}, 15*time.Second) }, false, false, false, false, false},
	{"the object store says 503", func(r *run, _ *member) { r.forAll(trouble{refuse: true}, 2*time.Second) }, false, false, false, false, false},
	{"the object store is slow", func(r *run, _ *member) { r.forAll(trouble{slow: 300 * time.Millisecond}, 4*time.Second) }, false, false, false, false, false},
	{"the lister is killed while the object store is slow and answers are lost", func(r *run, lister *member) {
		for _, m := range r.live() {
			m.door.be(trouble{slow: 200 * time.Millisecond, lose: 3})
		}
		r.killLister(lister)
		r.awaitLister()
		r.committed(r.count(segments.CommitsPrefix) + 3)
		for _, m := range r.live() {
			m.door.be(trouble{})
		}
	}, true, false, false, true, false},
	{"the lister is cut off the objects and the workers off NATS, which is mended first", func(r *run, lister *member) { r.split(lister, true) }, false, false, false, true, false},
	{"the lister is cut off the objects, which is mended first, and the workers off NATS", func(r *run, lister *member) { r.split(lister, false) }, false, false, false, true, false},
	{"answers of the object store are lost", func(r *run, _ *member) {
		for _, m := range r.live() {
			m.door.be(trouble{lose: 4})
		}
		r.until("the end", func() bool { return len(r.live()) == 0 })
		lost := int64(0)
		for _, m := range r.members {
			lost += m.door.lost.Load()
		}
		if lost == 0 {
			r.t.Error("no answer was lost")
		}
	}, false, false, false, false, false},
	{"the lister is cut off the objects", func(r *run, m *member) {
		m.door.be(trouble{silent: true})
		r.rest(3 * time.Second)
		m.door.be(trouble{})
	}, false, false, false, true, false},
	{"the lister sleeps past its lease", func(r *run, m *member) {
		r.sleep(m)
		r.until("another lister", func() bool { l := r.lister(); return l != nil && l != m || len(r.live()) == 1 })
		r.wake(m)
	}, false, false, false, true, false},
	{"segments are built twice at once", func(r *run, _ *member) {
		// Each item is given out once more while its worker is at it.
		r.until("an item", func() bool { return r.count("names") > r.count("commits") })
		id := strings.TrimPrefix(r.stream(), "motefs_")
		for seq := range r.count("names") {
			if !r.exists(segments.CommitName(uint64(seq))) {
				_, err := r.nats.JetStream().Publish(r.t.Context(), fmt.Sprintf("motefs.%s.item.%d", id, seq), nil)
				must(r.t, err)
			}
		}
		r.until("a segment that two fetch", func() bool {
			for _, n := range r.fetched() {
				if n > 1 {
					return true
				}
			}
			return false
		})
		r.goOn()
	}, false, false, false, true, true},
	{"workers sleep past the end of all", func(r *run, lister *member) {
		for _, m := range r.live() {
			if m != lister {
				r.sleep(m)
			}
		}
		r.until("a complete mirror", func() bool { return lister.Ended() })
		for _, m := range r.live() {
			r.wake(m)
		}
	}, false, false, false, false, false},
}

// split cuts the lister off the objects and the others off NATS, both for longer than a lease and an item
// last, and mends one after the other.
func (r *run) split(lister *member, natsFirst bool) {
	workers := slices.DeleteFunc(r.live(), func(m *member) bool { return m == lister })
	lister.door.be(trouble{silent: true})
	for _, m := range workers {
		m.way.Cut()
	}
	r.rest(5 * time.Second)
	mend := []func(){
		func() { lister.door.be(trouble{}) },
		func() {
			for _, m := range workers {
				m.way.Mend()
			}
		},
	}
	if natsFirst {
		slices.Reverse(mend)
	}
	mend[0]()
	r.rest(3 * time.Second)
	mend[1]()
}

// rest lets a fault last.
func (r *run) rest(d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.t.Context().Done():
	}
}

// cutOff cuts processes off NATS for a while.
func (r *run) cutOff(lasts time.Duration, all ...*member) {
	for _, m := range all {
		m.way.Cut()
	}
	r.rest(lasts)
	for _, m := range all {
		m.way.Mend()
	}
}

// forAll has the object store be troubled for a while, for all.
func (r *run) forAll(t trouble, lasts time.Duration) {
	for _, m := range r.live() {
		m.door.be(t)
	}
	r.rest(lasts)
	for _, m := range r.live() {
		m.door.be(trouble{})
	}
}

// sleep stops a process, and wake has it go on.
func (r *run) sleep(m *member) {
	_ = m.Cmd.Process.Signal(syscall.SIGSTOP) // it may have ended
	r.sleeps++
}

func (r *run) wake(m *member) { _ = m.Cmd.Process.Signal(syscall.SIGCONT) }

// TestFaults has each fault happen to three processes, in the middle of what they do.
func TestFaults(t *testing.T) {
	w := newWorld(t)
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			listing := 150 * time.Millisecond
			if f.lists {
				listing *= 4
			}
			r := w.begin(t, 800, 15*time.Millisecond, listing)
			if !f.alone {
				t.Parallel()
			}
			if f.lists {
				r.pages.shut()
			}
			for range 3 {
				r.join()
			}
			r.committed(r.segments() / 5)
			r.files.shut() // none ends before it happens
			r.begun()
			lister := r.awaitLister()
			if lister == nil || len(r.live()) < 3 {
				t.Fatal("they have ended before anything happens")
			}
			var m *mounted
			if f.mounts {
				m = r.mount()
			}
			if !f.waits {
				r.goOn()
			}
			f.do(r, lister)
			r.finish()
			again := r.check()
			if given, most := r.givenAgain(), r.kills*slots; f.exact && given > most {
				t.Errorf("%d segments are given out again after %d kills, at most %d are to be", given, r.kills, most)
			}
			if f.exact && f.lists && r.relisted() == 0 {
				t.Error("nobody had to list on")
			}
			if m != nil {
				m.compare()
			}
			t.Log(r.figures(again))
		})
	}
}
