package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/rs/zerolog"
)

// full is a source whose local disk has no room for a while.
type full struct {
	*fakeSource
	since time.Time
	lasts time.Duration
	tries int
}

func (f *full) Fetch(ctx context.Context, seg *named, out output) (cache.ContentCounts, error) {
	f.mu.Lock()
	f.tries++
	f.mu.Unlock()
	if time.Since(f.since) < f.lasts {
		return cache.ContentCounts{}, fmt.Errorf("read the names: %w", syscall.ENOSPC)
	}
	return f.fakeSource.Fetch(ctx, seg, out)
}

// TestNoRoom has the local disk be full for a minute, for an hour while that is waited for, and for
// longer than is waited. The log is told once, and what was worked at is handed back.
func TestNoRoom(t *testing.T) {
	for _, c := range []struct {
		lasts, outage time.Duration
		ends          bool
	}{{time.Minute, 0, false}, {time.Hour, -1, false}, {time.Hour, 0, true}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
			defer cancel()
			var log bytes.Buffer
			bus := NewLocal()
			o := newTestProcess(t, bus).o
			source := &full{fakeSource: o.source.(*fakeSource), since: time.Now(), lasts: c.lasts}
			o.source, o.Log, o.Engine.Outage = source, zerolog.New(zerolog.SyncWriter(&log)), c.outage
			p, err := Open(o)
			if err != nil {
				t.Fatal(err)
			}
			result, err := p.Run(ctx)
			switch {
			case c.ends && (!cache.NoRoom(err) || !errors.Is(err, syscall.ENOSPC)):
				t.Errorf("for longer than is waited: %v", err)
			case !c.ends && (err != nil || !result.Complete):
				t.Errorf("for %v: %+v, %v", c.lasts, result, err)
			}
			if n := strings.Count(log.String(), `"warn"`); n != 1 {
				t.Errorf("for %v: %d warnings: %s", c.lasts, n, log.String())
			}
			if most := defaultSlots*int(c.lasts/joinAgain) + 10; source.tries > most {
				t.Errorf("for %v: %d tries", c.lasts, source.tries)
			}
		})
	}
}

// tight is a source whose local disk has room for one segment, that takes so long.
type tight struct {
	*fakeSource
	takes time.Duration
	room  chan struct{} // has a token of who has it
}

func (f *tight) Fetch(ctx context.Context, seg *named, out output) (cache.ContentCounts, error) {
	select {
	case f.room <- struct{}{}:
		defer func() { <-f.room }()
	default:
		return cache.ContentCounts{}, fmt.Errorf("read the names: %w", syscall.ENOSPC)
	}
	if err := sleep(ctx, f.takes); err != nil {
		return cache.ContentCounts{}, err
	}
	return f.fakeSource.Fetch(ctx, seg, out)
}

// TestTightRoom has the local disk have room for one segment of two, for longer than an outage may
// last. The one that has it ends, and then the other.
func TestTightRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		o := newTestProcess(t, NewLocal()).o
		o.source, o.SegmentNames = &tight{o.source.(*fakeSource), 5 * time.Minute, make(chan struct{}, 1)}, 1
		p, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		if result, err := p.Run(ctx); err != nil || result.Segments != 2 {
			t.Errorf("%+v, %v", result, err)
		}
	})
}

// tightNames is a source without room for the names of a listing in no order, for a while.
type tightNames struct {
	*fakeSource
	until time.Time
}

func (f *tightNames) Numbering(state []byte) (numbering, error) {
	n, err := f.fakeSource.Numbering(state)
	return tightNumbering{n, f.until}, err
}

type tightNumbering struct {
	numbering
	until time.Time
}

func (n tightNumbering) Unordered(ctx context.Context, before []*named) error {
	if time.Now().Before(n.until) {
		return fmt.Errorf("open a store: %w", syscall.ENOSPC)
	}
	return n.numbering.Unordered(ctx, before)
}

// TestNoRoomToList has the local disk of who lists be full: one that is alone waits for room, or for as long as
// it may; of two the other lists.
func TestNoRoomToList(t *testing.T) {
	for _, c := range []struct {
		lasts, outage time.Duration
		other, ends   bool
	}{{time.Minute, 0, false, false}, {time.Hour, -1, false, false}, {time.Hour, 0, false, true}, {24 * time.Hour, 0, true, false}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
			defer cancel()
			var log bytes.Buffer
			o := newTestProcess(t, NewLocal()).o
			origin := &fakeOrigin{names: []string{"c", "a", "b"}, page: 10}
			h := newHub(rand.New(rand.NewPCG(1, 1)), 0)
			open := func(id string, o Options, src source) *Process {
				o.Process, o.source = id, src
				if c.other {
					o.Bus = h.join(id, newLife())
				}
				p, err := Open(o)
				if err != nil {
					t.Fatal(err)
				}
				return p
			}
			first := o
			first.Log, first.Engine.Outage = zerolog.New(zerolog.SyncWriter(&log)), c.outage
			p := open("p1", first, &tightNames{&fakeSource{l: newLife(), rng: rand.New(rand.NewPCG(3, 3)), origin: origin}, time.Now().Add(c.lasts)})
			ended := make(chan error, 1)
			go func() { _, err := p.Run(ctx); ended <- err }()
			began := time.Now()
			if c.other {
				time.Sleep(time.Second)
				if _, err := open("p2", o, &fakeSource{l: newLife(), rng: rand.New(rand.NewPCG(2, 2)), origin: origin}).Run(ctx); err != nil {
					t.Error(err)
				}
			}
			err := <-ended
			switch {
			case c.ends && !errors.Is(err, syscall.ENOSPC):
				t.Errorf("for longer than is waited: %v", err)
			case !c.ends && err != nil:
				t.Errorf("for %v, %+v: %v", c.lasts, c, err)
			case c.other && time.Since(began) > time.Minute:
				t.Errorf("another lists, and all end after %v", time.Since(began))
			}
			if n := strings.Count(log.String(), `"warn"`); n != 1 {
				t.Errorf("for %v: %d warnings: %s", c.lasts, n, log.String())
			}
		})
	}
}

// fullAgain is a source whose local disk has no room for names at first, and none again as soon as some
// are there; each time for a minute. Names take a while.
type fullAgain struct {
	*fakeSource
	until time.Time
}

func (f *fullAgain) Numbering(state []byte) (numbering, error) {
	n, err := f.fakeSource.Numbering(state)
	return fullNumbering{n, f}, err
}

type fullNumbering struct {
	numbering
	f *fullAgain
}

func (n fullNumbering) Add(names []cache.Name) (int, error) {
	if time.Now().Before(n.f.until) {
		return 0, fmt.Errorf("write names: %w", syscall.ENOSPC)
	}
	time.Sleep(3 * time.Minute)
	n.f.until = time.Now().Add(time.Minute)
	return n.numbering.Add(names)
}

// TestNoRoomToListAgain has the local disk of who lists be full more than once, with room between: each
// time that is waited for anew.
func TestNoRoomToListAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newTestProcess(t, NewLocal()).o
		o.SegmentNames = 1
		origin := &fakeOrigin{names: []string{"a", "b", "c"}, page: 1}
		o.source = &fullAgain{&fakeSource{l: newLife(), rng: rand.New(rand.NewPCG(1, 1)), origin: origin}, time.Now().Add(time.Minute)}
		p, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		if result, err := p.Run(t.Context()); err != nil || result.Segments != 3 {
			t.Errorf("%+v, %v", result, err)
		}
	})
}

// lateTight is a source that finds out after a while that it has no room for the names of a listing in no order.
type lateTight struct{ *fakeSource }

func (f lateTight) Numbering(state []byte) (numbering, error) {
	n, err := f.fakeSource.Numbering(state)
	return lateTightNumbering{n}, err
}

type lateTightNumbering struct{ numbering }

func (lateTightNumbering) Unordered(ctx context.Context, _ []*named) error {
	if err := sleep(ctx, 3*joinAgain); err != nil {
		return err
	}
	return fmt.Errorf("open a store: %w", syscall.ENOSPC)
}

// TestNoRoomToListForAll has two lead by turns, neither of which has room: they end after as long as that
// is waited for.
func TestNoRoomToListForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		o := newTestProcess(t, NewLocal()).o
		origin := &fakeOrigin{names: []string{"c", "a", "b"}, page: 10}
		h := newHub(rand.New(rand.NewPCG(1, 1)), 0)
		ended := make(chan error, 2)
		for i := range 2 {
			o := o
			o.Process = fmt.Sprint("p", i)
			o.source = lateTight{&fakeSource{l: newLife(), rng: rand.New(rand.NewPCG(2, uint64(i))), origin: origin}}
			o.Bus = h.join(o.Process, newLife())
			p, err := Open(o)
			if err != nil {
				t.Fatal(err)
			}
			go func() { _, err := p.Run(ctx); ended <- err }()
		}
		for range 2 {
			if err := <-ended; !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("it ends with %v", err)
			}
		}
	})
}

// TestStoreFull has the folder of an object store be full, and not be written. That is not the local disk's,
// for which another segment would be begun again and again.
func TestStoreFull(t *testing.T) {
	for _, why := range []error{syscall.ENOSPC, syscall.EROFS} {
		synctest.Test(t, func(t *testing.T) {
			o := newTestProcess(t, NewLocal()).o
			o.Store = refusing{o.Store, why}
			p, err := Open(o)
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.Run(t.Context())
			if err == nil || cache.NoRoom(err) || !errors.Is(err, errDenied) || !strings.Contains(err.Error(), why.Error()) {
				t.Errorf("%v: %v", why, err)
			}
		})
	}
}

// TestStoreOfAnother has the lease be lost while the object store is written to, which says nothing but that.
func TestStoreOfAnother(t *testing.T) {
	for err, only := range map[error]bool{context.Canceled: true, errDenied: false} {
		if err := fmt.Errorf("write it: %w", storeError{fmt.Errorf("put: %w", err)}); onlySays(err, context.Canceled) != only {
			t.Errorf("%v: %v", err, !only)
		}
	}
}

// refusing is a store that takes no contents.
type refusing struct {
	objects.Store
	why error
}

func (s refusing) Put(context.Context, string, objects.Body) error {
	return fmt.Errorf("%w: %w", errDenied, s.why)
}
