package cluster

import (
	"context"
	"time"
)

// awaitRoom waits, after the local disk had no room for a segment, until that may be tried again.
// The segment, which was begun then, is another's meanwhile. The error is ctx's, or why where there
// has been none for as long as an outage may last, and no segment has been worked at for longer: such
// a one has the room that it needs, and gives it back as it ends.
func (p *Process) awaitRoom(ctx context.Context, why error, began time.Time) error {
	p.mu.Lock()
	older := false
	for _, at := range p.mu.working {
		older = older || at.since.Before(began)
	}
	since := p.mu.full
	if since.IsZero() {
		p.mu.full = time.Now()
	}
	p.mu.Unlock()
	pause, most := p.o.soon(joinAgain), p.o.Engine.Outage
	switch {
	case since.IsZero():
		p.o.Log.Warn().Err(why).Msg("no room on the local disk: what was worked at is handed back, and another segment begun when there is room")
	case most >= 0 && time.Since(since) > most && !older:
		return why
	}
	if most >= 0 {
		pause = min(pause, most)
	}
	return sleep(ctx, pause)
}

// hadRoom notes that there was room for a segment.
func (p *Process) hadRoom() {
	p.mu.Lock()
	since := p.mu.full
	p.mu.full = time.Time{}
	p.mu.Unlock()
	if !since.IsZero() {
		p.o.Log.Info().Stringer("after", time.Since(since).Round(time.Millisecond)).Msg("the local disk has room again")
	}
}

// noRoomToList is since when the local disk has no room to list, and how many name segments there were
// then. Zero: it has room.
type noRoomToList struct {
	since  time.Time
	listed uint64
}

// awaitRoomToList waits, after the local disk had no room for the names of a listing in no order and the
// lease was handed back, until that may be tried again; another may have the lease meanwhile. The lease
// was waited for before, and so many name segments are listed. The error is ctx's, or why where there has
// been no room for as long as an outage may last: where nobody listed on, and nobody else led for as long.
func (p *Process) awaitRoomToList(ctx context.Context, why error, full *noRoomToList, waited time.Duration, listed uint64) error {
	most := p.o.Engine.Outage
	switch {
	case full.since.IsZero() || listed > full.listed || most >= 0 && waited > most:
		*full = noRoomToList{time.Now(), listed}
		p.o.Log.Warn().Err(why).Msg("no room on the local disk to list: the lease is handed back, so that another lists, and taken again when there is room")
	case most >= 0 && time.Since(full.since) > most:
		return why
	}
	return sleep(ctx, p.o.soon(joinAgain))
}
