package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/segments"
	"github.com/rs/zerolog"
)

// testItem is an item of a bus that does not work.
type testItem struct {
	seq     uint64
	working func(context.Context) error
	back    error
}

func (i testItem) Seq() uint64                               { return i.seq }
func (i testItem) Tries() int                                { return 1 }
func (i testItem) Working(ctx context.Context) error         { return i.working(ctx) }
func (i testItem) Done(context.Context) error                { return nil }
func (i testItem) Back(context.Context, time.Duration) error { return i.back }

// TestOvertakenWithoutBus has the bus be away while another commits the segment that is worked at.
func TestOvertakenWithoutBus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestProcess(t, NewLocal())
		hangs := func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		defer time.AfterFunc(time.Hour, func() { cancel(errStopped) }).Stop()
		if _, err := p.reader.WriteCommit(ctx, segments.Commit{Seq: 0, Names: segments.NewAttempt(), Attempt: segments.NewAttempt()}); err != nil {
			t.Fatal(err)
		}
		p.watch(ctx, 0, testItem{working: hangs}, cancel)
		if why := context.Cause(ctx); !errors.Is(why, errOvertaken) {
			t.Errorf("it ended as %v", why)
		}
	})
}

// TestBackRefused has a bus that gives an item out twice, and takes none back.
func TestBackRefused(t *testing.T) {
	p := newTestProcess(t, NewLocal())
	p.begin(7)
	if err := p.process(t.Context(), 7, testItem{seq: 7, back: errors.New("no such item")}, func(int64) {}); err != nil {
		t.Errorf("the process ends: %v", err)
	}
}

// TestBogusItems has a bus name many segments that are not there.
func TestBogusItems(t *testing.T) {
	p := newTestProcess(t, NewLocal())
	var log bytes.Buffer
	o := p.o
	o.Log = zerolog.New(&log)
	p, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	for seq := range uint64(500) {
		if err := p.attempt(t.Context(), 1000+seq, nil, func(int64) {}); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("%d lines in the log", n)
	}
	if n := p.bogus.Load(); n != 500 {
		t.Errorf("%d are counted", n)
	}
}

// listings counts what is listed of a store.
type listings struct {
	objects.Store
	n int
}

func (l *listings) List(ctx context.Context, prefix, after string, fn func(objects.Info) bool) error {
	l.n++
	return l.Store.List(ctx, prefix, after, fn)
}

// TestFalseComplete has another say each second that the mirror is complete, which it is not.
func TestFalseComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text, err := json.Marshal(Report{Complete: true})
		if err != nil {
			t.Fatal(err)
		}
		p := newTestProcess(t, &telling{deaf{NewLocal()}, map[string][]byte{"liar": text}})
		count := &listings{Store: p.o.Store}
		p.store, p.reader.Store = count, count
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := p.report(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if most := int(time.Hour/lookEvery) + 10; count.n > most || count.n < most/2 {
			t.Errorf("%d listings in an hour", count.n)
		}
	})
}

// failing is a store that fails, and with it the lease is lost.
type failing struct {
	objects.Store
	lost func()
}

var errDenied = errors.New("denied by the test")

func (f failing) List(context.Context, string, string, func(objects.Info) bool) error {
	f.lost()
	return errDenied
}

// TestFailsAsLeaseIsLost has the object store refuse a leader whose lease is lost at the same time.
// The log is told what has failed.
func TestFailsAsLeaseIsLost(t *testing.T) {
	for _, c := range []struct {
		err   error
		level zerolog.Level
	}{{errDenied, zerolog.ErrorLevel}, {nil, zerolog.InfoLevel}} {
		bus := NewLocal()
		var log bytes.Buffer
		o := newTestProcess(t, bus).o
		o.Log = zerolog.New(&log)
		p, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var asked atomic.Int64
		lost := func() {
			_ = bus.lease.Release(ctx)
			if asked.Add(1) > 3 {
				cancel()
			}
		}
		var store objects.Store = failing{o.Store, lost}
		if c.err == nil {
			store = obedient{o.Store, lost}
		}
		p.store, p.reader.Store = store, store
		if err := p.lead(ctx); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		cancel()
		var line struct{ Level string }
		first, _, _ := strings.Cut(log.String(), "\n")
		if err := json.Unmarshal([]byte(first), &line); err != nil || line.Level != c.level.String() {
			t.Errorf("%v: %s", c.err, first)
		}
	}
}

// obedient is a store that does nothing any more once the lease is lost.
type obedient struct {
	objects.Store
	lost func()
}

func (o obedient) List(ctx context.Context, _, _ string, _ func(objects.Info) bool) error {
	o.lost()
	<-ctx.Done()
	return context.Cause(ctx)
}

// TestNumbersApart has the manifests say of neighbours that the numbers of one do not begin where
// those of the other end.
func TestNumbersApart(t *testing.T) {
	sealed := func(seq uint64, first, end inode) segments.Sealed {
		return segments.Sealed{
			Seq: seq, Names: segments.NewAttempt(), Attempt: segments.NewAttempt(), Part: segments.Part{First: first, End: end, Files: uint64(end - first)},
			Tables: []segments.Table{{Size: 1}}, HeadSize: 1, NameSizes: segments.NameSizes{FilesSize: 1},
		}
	}
	p := newTestProcess(t, NewLocal())
	m := segments.Manifest{Attempt: segments.NewAttempt(), Segments: []segments.Sealed{sealed(1, 20, 30), sealed(2, 31, 40)}}
	if _, err := p.reader.WriteManifest(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := newKeeper(p, 1).keep(ctx); !errors.Is(err, segments.ErrBad) {
		t.Errorf("of manifests: %v", err)
	}
	k := newKeeper(p, 1)
	k.index.Segments = []segments.Sealed{sealed(1, 20, 30)}
	if err := k.checkLinks([]segments.Sealed{sealed(0, 10, 21)}); !errors.Is(err, segments.ErrBad) {
		t.Errorf("one before what is sealed: %v", err)
	}
	if err := k.checkLinks([]segments.Sealed{sealed(0, 10, 20)}); err != nil {
		t.Errorf("one that is right: %v", err)
	}
}
