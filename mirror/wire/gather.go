package wire

import (
	"net"
	"time"
)

const (
	// gatherBytes is how much is waited for while many responses are due. A
	// server that sends every response by itself would otherwise wake its reader
	// for each.
	gatherBytes = 16 << 10
	// gatherLeast is what is not worth waiting for.
	gatherLeast = 2 << 10
	// gatherTime is how long that wait may last; then what is there is taken.
	gatherTime = 50 * time.Millisecond
	// leastResponse is the length of the shortest response that may be pipelined.
	leastResponse = len("HTTP/1.1 200 \r\nContent-Length:0\r\n\r\n")
	// leastBodiless is the same where the response may be a 304.
	leastBodiless = len("HTTP/1.1 304\r\n\r\n")
)

// gatherer coalesces receives: it lets a read wait until many bytes are there.
type gatherer struct {
	raw    net.Conn
	lowat  int // bytes that a read waits for
	resume int // what lowat was before gatherTime ran out, 0 if it did not
	least  int // bytes that each response has
}

// begin starts a round of that many responses, each of at least that many bytes.
func (g *gatherer) begin(responses, least int) {
	g.least = least
	if responses*least < 2*gatherLeast {
		return
	}
	g.set(gatherBytes)
	g.next(responses - 1)
}

// next sets what the next read waits for: no more than is sure to come with
// that many responses behind the one at hand.
func (g *gatherer) next(behind int) {
	most := behind * g.least
	if g.resume > 0 && g.resume <= most {
		g.set(g.resume)
	}
	g.resume = 0
	if g.lowat <= most || g.lowat == 1 {
		return
	}
	low := g.lowat
	for low > most {
		low /= 2
	}
	if low < gatherLeast {
		low = 1
	}
	g.set(low)
}

// pause makes reads return whatever comes, until the next response.
func (g *gatherer) pause() {
	g.resume = g.lowat
	g.set(1)
}

// end makes reads return whatever comes.
func (g *gatherer) end() {
	if g.lowat != 1 {
		g.set(1)
	}
}

func (g *gatherer) set(bytes int) {
	if !setLowat(g.raw, bytes) {
		bytes = 1 // nothing else is known of it
	}
	g.lowat = bytes
}
