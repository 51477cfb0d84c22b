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
		older = older || at.Before(began)
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
		p.o.Log.Info().Dur("without", time.Since(since)).Msg("the local disk has room again")
	}
}

// awaitRoomToList waits, after the local disk had no room for the names of a listing in no order and the
// lease was handed back, until that may be tried again; another may have the lease meanwhile. It has been so
// since a time, zero: it is new, which is returned. The error is ctx's, or why where there has been none for
// as long as an outage may last.
func (p *Process) awaitRoomToList(ctx context.Context, why error, since time.Time) (time.Time, error) {
	most := p.o.Engine.Outage
	switch {
	case since.IsZero():
		since = time.Now()
		p.o.Log.Warn().Err(why).Msg("no room on the local disk to list: the lease is handed back, so that another lists, and taken again when there is room")
	case most >= 0 && time.Since(since) > most:
		return since, why
	}
	return since, sleep(ctx, p.o.soon(joinAgain))
}
