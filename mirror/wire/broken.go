package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/motefs/motefs/mirror"
)

// brokenRound is the error of a round that was not proven.
type brokenRound struct {
	why   error
	round *round
	// held is how many responses there were that are not believed, and suspect
	// which of the pending requests was owed the next one, -1 where that was a
	// guard.
	held, suspect int
	// owed are its requests that have no answer.
	owed int
	// fresh says that nothing had been asked on the connection before the round.
	fresh bool
	// served says that there were responses other than that the server is busy.
	served bool
	// doubtful says that the first response of a fresh connection is not believed,
	// as others could have come before it or in its place: its request is asked
	// again alone, so that each connection brings a decision.
	doubtful bool
}

func (e *brokenRound) Error() string { return e.why.Error() }
func (e *brokenRound) Unwrap() error { return e.why }

// broke decides what becomes of a call after a connection ended with end. It
// blames a request only for what can be nothing else's fault, and has the next
// round be shorter, so that a fault is closed in on. The next connection is a new
// one: where it is asked one thing at a time its first response needs no proof, and
// otherwise what it was asked first is asked alone. So every connection brings a
// decision, or is a strike. The error is that of a server out of reach.
func (g *get) broke(cn *conn, end error) error {
	g.fresh = true
	if g.strikes++; cn.total > 0 {
		g.strikes = 0
	}
	e, ok := errors.AsType[*brokenRound](end)
	if !ok { // it ended before anything was asked
		return g.strike(end)
	}
	if e.doubtful {
		g.setAlone(0)
		e.suspect = max(e.suspect-1, -1)
	}
	g.most = max(1, e.suspect)
	switch {
	case errors.Is(e.why, errBusy) && e.served:
		// It may be the guards alone that the server cannot give.
		g.c.guards.forget(e.round.guards[:]...)
		g.most = max(1, e.round.n)
		return nil
	case errors.Is(e.why, errBusy):
		return e.why
	case errors.Is(e.why, errDesync):
		g.most = max(1, e.round.n/spanGrowth)
		g.desynced(e)
		return nil
	case e.suspect < 0:
		// The guards are files too: one may hang, or be poison to the server.
		g.c.guards.forget(e.round.guards[:]...)
		g.most = max(1, e.round.n/spanGrowth)
	case errors.Is(e.why, errAlone):
		g.setAlone(e.suspect)
		return nil
	case errors.Is(e.why, errFull):
		g.c.span.full(e.held)
		g.most = max(1, e.held/2)
		return nil
	case isTimeout(e.why):
		g.charge(e.suspect, e.why)
		if e.held > 0 {
			g.c.pipelining.stalled(e, g.c.o.Timeouts.Idle)
		}
	case errors.Is(e.why, mirror.ErrFraming) && e.held > 0:
		g.c.pipelining.desynced(e)
	case e.fresh && e.held == 0:
		g.hungUp(e)
	}
	// One that ends with nothing but that the server is busy, or was idle for too
	// long, says nothing of how many responses a connection gives.
	idle := e.held > 0 && !e.served
	if errors.Is(e.why, mirror.ErrCut) && !isTimeout(e.why) && cn.total > 0 && !cn.left && !idle {
		g.c.distrust(cn.total)
	}
	return g.strike(e.why)
}

// hungUp deals with a new connection that gave nothing. A server that is restarted, or
// a machine that slept, ends connections of which nobody is at fault, so the request is
// charged only where that was its second in a row. Who asks for one alone asks again
// by himself.
func (g *get) hungUp(e *brokenRound) {
	i := g.pending[e.suspect]
	if g.b.Len > 1 && g.doubted != i+1 && errors.Is(e.why, mirror.ErrCut) {
		g.doubted = i + 1
		return
	}
	g.charge(e.suspect, e.why)
}

// setAlone has the k-th of the pending requests be asked alone.
func (g *get) setAlone(k int) {
	g.alone = append(g.alone, g.pending[k])
	g.pending = slices.Delete(g.pending, k, k+1)
}

// strike is an error after too many connections in a row without an answer.
func (g *get) strike(err error) error {
	if g.strikes < maxStrikes {
		return nil
	}
	g.strikes = 0
	//nolint:errorlint // what became of one connection must not make this match ErrCut
	return fmt.Errorf("%w: %d connections in a row gave no answer, the last: %v", mirror.ErrUnreachable, maxStrikes, err)
}

// desynced deals with a guard that was not answered rightly: either the responses
// do not belong to the requests that they seem to, or the guard is another file
// by now. Each guard is asked for alone to tell which.
func (g *get) desynced(e *brokenRound) {
	if g.asEver(e.round.guards) {
		g.c.pipelining.desynced(e)
	}
}

// asEver reports whether guards are what they were: each is asked for alone. If one is
// not, others are looked for.
func (g *get) asEver(w word) bool {
	for _, k := range w {
		if k.gone.Load() {
			return false // somebody else has found it changed
		}
		status, body, took, ok := g.c.askGuard(g.ctx, &k.guard)
		if !ok {
			return false
		}
		if found := newGuard("", status, body, took); !found.same(&k.guard) {
			g.c.guards.forgetAll()
			g.c.guards.forget(k)
			return false
		}
	}
	return true
}

// askGuard asks for a guard alone, and returns what its response is now; ok is false
// where the server would not say.
func (c *Client) askGuard(ctx context.Context, want *guard) (status int, body []byte, took time.Duration, ok bool) {
	ca := c.begin(ctx)
	defer ca.end()
	cn, err := c.take(ca, true)
	if err != nil {
		if ca.err() == nil {
			c.o.Traffic.lost(Guard)
		}
		return 0, nil, 0, false
	}
	c.counts.requests.Add(1)
	c.counts.guards.Add(1)
	_ = c.with(cn, func() error {
		err := cn.write(c.appendRequest(nil, want.target, want.fields()), 1)
		if err != nil {
			return err
		}
		var all []byte
		status, all, err = cn.small(maxGuard)
		cn.report(Guard)
		if err == nil || errors.Is(err, errEnd) {
			body, took, ok = bytes.Clone(all), cn.clock.waited, !temporary(status)
			cn.hadLike(status, int64(len(body)))
		}
		return err
	})
	return status, body, took, ok
}

func temporary(status int) bool { return (&mirror.StatusError{Code: status}).Temporary() }
