package mirror

import "time"

// Reach says whether an origin gives what it is asked for.
type Reach int32

// What is known of an origin.
const (
	ReachUnknown Reach = iota // nothing was asked so far
	ReachUp                   // the last of what was asked came
	ReachDown                 // it cannot be reached, or gives nothing at all
)

// Condition is what an engine knows of its origin now.
type Condition struct {
	Reach Reach
	// LastError is the last answer that was not good, nil where all were, and LastErrorAt
	// when it came.
	LastError   error
	LastErrorAt time.Time
	// ThrottledUntil is until when nothing is asked for, as the origin said 429, or 503 with
	// Retry-After; zero: it is not. Slowed says that a mirror is slower than it could be since.
	ThrottledUntil time.Time
	Slowed         bool
	// Connections is Options.Connections, and Waiting how many of them, with those that
	// ask whether the origin is well, wait for it.
	Connections, Waiting int
}

// Condition returns what is known of the origin. It costs two locks that are rarely taken.
func (e *Engine) Condition() Condition {
	c := Condition{
		Reach:       Reach(e.health.reach.Load()),
		Connections: e.opts.Connections, Waiting: int(e.health.waiting.Load()),
	}
	c.LastErrorAt, c.LastError = e.health.last()
	c.ThrottledUntil, c.Slowed = e.pace.state(time.Now())
	return c
}

// last returns the last answer that was not good, and when it came.
func (h *health) last() (at time.Time, why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mu.whyAt, h.mu.why
}

// state returns until when nothing is asked for, zero where that is over, and whether the
// rate is limited by what the origin said.
func (p *pace) state(now time.Time) (until time.Time, slowed bool) {
	if !p.slowed.Load() {
		return time.Time{}, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.until.After(now) {
		until = p.mu.until
	}
	return until, true
}
