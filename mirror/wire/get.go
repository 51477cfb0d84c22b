package wire

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/motefs/motefs/mirror"
)

// Batch is what Get asks for.
type Batch struct {
	// Len is the number of requests.
	Len int
	// Target appends the request target of the i-th: a path, percent-encoded,
	// with a query if it has one. It may be called by another goroutine than the
	// caller's, and more than once for a request, as Fields may.
	Target func(dst []byte, i int) []byte
	// Fields, where it is not nil, appends the header fields of the i-th request
	// that others have not, each with its CRLF. They may be conditions, which a
	// 304 answers; none that change what a 200 means, as Range does.
	Fields func(dst []byte, i int) []byte
	// Take is called once for each request, in any order, by the goroutine that
	// called Get: with its answer, which is proven, or with the error for which
	// there is none. An answer is valid until Take returns.
	Take func(i int, a *Answer, err error)
	// Spool is called for an answer of which the body is too long to be held in
	// memory and short enough to be read twice, before it is proven. It reads
	// a.Stream to its end and keeps what it read apart: if Take is called with
	// Spooled, that was the content; if Spool is called for the same request
	// again, or Take with anything else, it was not. An error ends the
	// connection, and is what Take is called with. Without Spool such requests
	// are asked again, each on a connection of its own.
	Spool func(i int, a *Answer) error

	// Settled, where it is not nil, is called after the answers of a round were
	// taken: others may be a while in coming.
	Settled func()

	// alone has every request go on a connection of its own.
	alone bool
}

// Answer is a response of the server. Body, Size, ModTime and ETag are set where
// Status is 200, and the last two of them where it is 304.
type Answer struct {
	// Object has a Stream where the body is longer than Options.InlineLimit.
	mirror.Object
	// Status is the status code.
	Status int
	// Location is the header of that name.
	Location string
	// RetryAfter is what the header of that name says, 0 without one.
	RetryAfter time.Duration
}

const (
	// maxStrikes is the number of connections in a row without a single answer
	// after which the server counts as out of reach.
	maxStrikes = 3
	// spoolMost is the longest body that is handed to Spool, in bytes.
	spoolMost = 8 << 20
)

// get is one call of Get.
type get struct {
	*call
	b       *Batch
	ledger  *ledger
	pending []int32 // requests without an answer, in the order in which they are asked
	alone   []int32 // those that are to be asked alone, after all others
	most    int     // requests that the next round may have; 0: one, alone
	strikes int     // connections in a row that gave none
	doubted int32   // the request that the last new one of those owed first, plus 1; see hungUp
	fresh   bool    // the next connection has to be one
	probe   bool    // this call may find out whether the server can pipeline
}

// Get asks for a batch, in order, on as many connections one after the other as
// it takes. It makes one attempt: a request whose answer says to come back later,
// or on which a connection breaks, is Taken with that, and not asked again. It
// returns an error only if ctx was cancelled or the client closed; the requests
// that had no answer by then are Taken with it.
func (c *Client) Get(ctx context.Context, b *Batch) error {
	g := &get{call: c.begin(ctx), b: b, most: mostSpan, pending: make([]int32, b.Len), probe: b.Len == 1 || b.Len >= probeFrom}
	defer g.end()
	for i := range g.pending {
		g.pending[i] = int32(i)
	}
	if g.ledger, _ = c.ledgers.Get().(*ledger); g.ledger == nil {
		g.ledger = &ledger{}
	}
	err := g.all()
	if err != nil {
		g.giveUp(err)
	}
	c.ledgers.Put(g.ledger)
	return err
}

// all takes every request, unless the call has to stop.
func (g *get) all() error {
	for len(g.pending)+len(g.alone) > 0 {
		if err := g.err(); err != nil {
			return err
		}
		if len(g.pending) == 0 {
			g.pending, g.alone, g.most = append(g.pending, g.alone[0]), g.alone[1:], 0
		}
		if err := g.connect(); err != nil && g.err() == nil {
			g.giveUp(err)
		}
	}
	return nil
}

// giveUp takes err for every request that has no answer.
func (g *get) giveUp(err error) {
	for _, i := range append(g.pending, g.alone...) {
		g.b.Take(int(i), nil, err)
	}
	g.pending, g.alone = nil, nil
}

// charge takes err for the k-th of the pending requests.
func (g *get) charge(k int, err error) {
	i := g.pending[k]
	g.pending = slices.Delete(g.pending, k, k+1)
	g.b.Take(int(i), nil, err)
}

// connect asks for what is pending on one connection, and deals with its end.
// Its error is that of a server out of reach.
func (g *get) connect() error {
	enough := g.c.guards.enough()
	// One request and two guards one after the other would take longer than a
	// new connection.
	slow := len(g.pending) == 1 && g.c.pipelining.depth() == 1
	cn, err := g.c.take(g.call, g.fresh || g.lone(enough) || slow)
	if err != nil {
		if g.err() == nil {
			g.c.o.Traffic.lost(Get)
		}
		return err
	}
	end := g.c.with(cn, func() error { return g.rounds(cn, enough) })
	if end == nil || errors.Is(end, errEnd) || g.err() != nil {
		return nil
	}
	if cn.pooled {
		// Servers close idle connections when they like, and some say so with
		// an answer that nobody asked for.
		g.fresh = true
		g.noteAgain(end, 0)
		return nil
	}
	g.noteEnd(end)
	before := len(g.pending) + len(g.alone)
	if err := g.broke(cn, end); err != nil {
		return err
	}
	g.noteAgain(end, before-len(g.pending)-len(g.alone))
	return nil
}

// lone reports whether each request has to be the first of its connection, which
// needs no other proof.
func (g *get) lone(enough bool) bool { return !enough || g.most == 0 || g.b.alone }

// rounds asks round after round on a connection, until nothing is pending or
// the connection ends. Its error is errEnd where all that was asked is taken.
func (g *get) rounds(cn *conn, enough bool) error {
	for len(g.pending) > 0 {
		if cn.br.Buffered() > 0 || !cn.fresh() && cn.old() {
			return errEnd // there may be more than was asked for, but no answer is in doubt
		}
		if err := g.rehearse(cn, enough); err != nil {
			return err
		}
		r := round{get: g, cn: cn, order: guardOrder, depth: g.c.pipelining.depth(), retries: guardRetries}
		if r.n, r.word = g.cut(cn, enough); r.n == 0 {
			return errEnd // what is left is for another connection
		}
		if r.word > 0 {
			var ok bool
			if r.guards, ok = cn.word(); !ok {
				g.learnParts()
				return errEnd // nothing proves a round on it any more
			}
		}
		if err := r.run(); err != nil {
			return err
		}
		g.fresh, g.strikes = false, 0
		g.most = min(g.most*spanGrowth, mostSpan) // 0 stays 0
	}
	return nil
}

// leastRoom is what a connection must have room for to be used for a round that
// is not a batch's last.
const leastRoom = 64

// cut says how many requests the next round has, and how many guards end it.
func (g *get) cut(cn *conn, enough bool) (n, word int) {
	if g.lone(enough) {
		if cn.fresh() {
			return 1, 0
		}
		return 0, 0
	}
	n = min(len(g.pending), g.most, g.c.span.get())
	word = guardWord(n)
	room := g.c.trust(cn.total) - word
	switch {
	case room >= n:
		return n, word
	case cn.fresh():
		if room < 1 && !g.c.retrust() {
			return 1, 0
		}
		return max(1, room), word
	case room < leastRoom:
		return 0, 0
	}
	return room, word
}

// Redirect reports whether the status says to ask for Location.
func (a *Answer) Redirect() bool { return isRedirect(a.Status) }
