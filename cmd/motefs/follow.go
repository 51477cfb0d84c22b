package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/motefs/internal/screen"
	"github.com/motefs/motefs/cmd/motefs/internal/status"
	"github.com/motefs/motefs/mirror"
)

// followedLease is how long the kernel believes a name while a mount is being
// refreshed, before it asks again.
const followedLease = time.Second

// follower has a mount follow its origin.
type follower struct {
	every time.Duration
	flags refreshFlags // of which only those count that mount has
	// next is when the next refresh begins; nil: one is under way, or the mirror is.
	next atomic.Pointer[time.Time]
}

// nextChange is until when nothing changes that the store has; see fs.Options.
func (f *follower) nextChange() time.Time {
	if next := f.next.Load(); next != nil {
		return *next
	}
	return time.Time{}
}

// follow refreshes the store again and again, until ctx is done or the store breaks.
func (m *mounted) follow(ctx context.Context, on *screen.Screen) {
	f := m.follower
	wait := f.every
	if at := m.store.Progress().ListedAt; at != 0 {
		wait = min(wait, time.Until(time.Unix(at, 0).Add(f.every)))
	}
	for {
		next := time.Now().Add(max(wait, 0))
		f.next.Store(&next)
		select {
		case <-ctx.Done():
			return
		case <-m.store.Broken():
			return
		case <-time.After(time.Until(next)):
		}
		f.next.Store(nil)
		start := time.Now()
		progress := m.app.startProgress(on, m.log, m.status.Source)
		m.procs.set(mirroringProcs)
		m.status.Set(status.Refreshing)
		found, err := m.refresh(ctx, f.flags.options())
		m.procs.set(servingProcs)
		progress.Stop()
		m.status.ended(err, m.store.Progress())
		if ctx.Err() != nil || m.store.BrokenErr() != nil {
			return
		}
		wait = f.every
		switch {
		case err == nil:
			m.log.Info().Msg("refreshed: " + refreshText(found, false) + "; in " + time.Since(start).Round(time.Millisecond).String())
		case errors.Is(err, cache.ErrCorrupt):
			m.log.Error().Err(err).Msg("not refreshed; what is not damaged is still served")
			return
		case errors.Is(err, mirror.ErrManyUnlisted):
			m.log.Error().Err(err).Msg("not refreshed; what is here is still served")
		default:
			wait = min(wait, tryListingAgain)
			m.log.Error().Err(err).Stringer("again_in", wait).Msg("not refreshed; what is here is still served")
		}
	}
}
