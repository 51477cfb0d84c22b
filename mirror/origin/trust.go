package origin

import "math"

// trustAll is the number of answers on one connection beyond which an origin
// counts as one that does not limit them.
const trustAll = 1 << 16

// trust says how many requests may be written next on a connection that gave
// total answers so far.
//
// An origin that closes connections after k answers (nginx's keepalive_requests,
// HTTP/1.0) throws away what was pipelined behind them. Asking for all of a
// batch again each time would be quadratic, so no connection is trusted with
// more than the last one to end early gave; that doubles with every one that
// gives it and stays open.
func (c *Client) trust(total int64) int {
	limit := c.limit.Load()
	if limit > 0 && total >= limit {
		doubled := limit * 2
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

// distrust notes that a connection ended after total answers with requests
// unanswered.
func (c *Client) distrust(total int64) {
	if total <= trustAll {
		c.limit.Store(max(1, total))
	}
}
