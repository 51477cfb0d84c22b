package wire

import "math"

const (
	// firstTrust is what a connection is trusted with before anything is known:
	// what nginx gives by default.
	firstTrust = 1000
	// trustAll is the number of responses on one connection beyond which a server
	// counts as one that does not limit them.
	trustAll = 1 << 16
	// retrustEvery is how often a connection is tried with guards that is not
	// trusted to have room for them. Without that it could never give more.
	retrustEvery = 16
)

// trust says how many requests may be written next on a connection that gave
// total responses so far.
//
// A server that closes connections after k responses (nginx's
// keepalive_requests, HTTP/1.0) throws away what was pipelined behind them, and
// with it the proof of what came before. So no connection is trusted with more
// than the last one to end early gave; that doubles with every one that gives it
// and stays open. Before one has ended early, that it is about to be given is enough.
func (c *Client) trust(total int64) int {
	limit := c.limit.Load()
	if limit > 0 && (total >= limit || total > limit-leastRoom && !c.limited.Load()) {
		doubled := max(limit, total) * 2
		if doubled > trustAll {
			doubled = 0
		}
		c.limit.CompareAndSwap(limit, doubled)
		limit = doubled
	}
	if limit == 0 {
		return math.MaxInt
	}
	return int(max(1, limit-total))
}

// distrust notes that the server ended a connection after total responses, with
// requests unanswered.
func (c *Client) distrust(total int64) {
	if total <= trustAll {
		c.limited.Store(true)
		c.limit.Store(max(1, total))
	}
}

// retrust reports whether to ask for more on a connection than it is trusted with.
func (c *Client) retrust() bool { return c.untrusted.Add(1)%retrustEvery == 0 }
