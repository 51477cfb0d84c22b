package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/motefs/motefs/cache"
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
