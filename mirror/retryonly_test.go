package mirror_test

import (
	"context"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestRetryAsksForNothingElse: Retry asks for the files that failed, also for good, and
// neither lists nor asks for what is missing.
func TestRetryAsksForNothingElse(t *testing.T) {
	r := newRig(t, serve.Options{}, named("a", "denied", "b", "odd"))
	fail := origintest.Faults{OnGet: func(name []byte, _ int) origintest.Fault {
		switch string(name) {
		case "denied":
			return origintest.Fault{Status: 403}
		case "odd":
			return origintest.Fault{Status: 302}
		}
		return origintest.Fault{}
	}}
	r.server.SetFaults(fail)
	r.must(r.run(soon))
	if p := r.store.Progress(); p.Failed != 2 || p.Fetched != 2 {
		t.Fatalf("before: %+v", p)
	}
	retry := func() {
		t.Helper()
		e := r.engine(soon)
		defer e.Close()
		r.must(e.Retry(context.Background()))
	}
	retry()
	if p := r.store.Progress(); p.Failed != 2 || p.Fetched != 2 {
		t.Errorf("while they fail: %+v", p)
	}
	r.server.SetFaults(origintest.Faults{})
	before := r.server.Counts()
	retry()
	if p := r.store.Progress(); p.Failed != 0 || p.Fetched != 4 {
		t.Errorf("once they are there: %+v", p)
	}
	if n := r.server.Counts(); n.Lists != before.Lists {
		t.Errorf("%d pages were asked for", n.Lists-before.Lists)
	}
	retry() // with nothing to do
	r.complete(4)
}

// TestCondition: what an engine says of its origin is what the origin last did.
func TestCondition(t *testing.T) {
	r := newRig(t, serve.Options{}, named("a", "b"))
	e := r.engine(soon)
	defer e.Close()
	if c := e.Condition(); c.Reach != mirror.ReachUnknown || c.LastError != nil || !c.ThrottledUntil.IsZero() {
		t.Errorf("at first %+v", c)
	}
	r.server.SetFaults(origintest.Faults{OnList: func(string, int) origintest.Fault { return origintest.Fault{Status: 429, RetryAfter: time.Second} }})
	if err := e.Run(context.Background()); err == nil {
		t.Fatal("the listing came")
	}
	if c := e.Condition(); c.Reach == mirror.ReachDown || c.LastError == nil || c.LastErrorAt.IsZero() || !c.Slowed {
		t.Errorf("after 429, which says that it is there, %+v", c)
	}
	r.server.SetFaults(origintest.Faults{})
	again := r.engine(soon)
	defer again.Close()
	r.must(again.Run(context.Background()))
	if c := again.Condition(); c.Reach != mirror.ReachUp || c.LastError != nil || c.Waiting != 0 || c.Connections < 1 {
		t.Errorf("once it is well %+v", c)
	}
}
