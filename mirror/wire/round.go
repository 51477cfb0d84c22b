package wire

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/motefs/motefs/mirror"
)

// guardOrder says in its bits which of the two each guard of a word is.
const guardOrder = ^uint64(1)

// slowRounds is how many Timeouts.Round a round may take that was asked for all at
// once: a slow server's is given up then, and the next one is shorter.
const slowRounds = 4

// guardRetries is how often the guards are asked for again where the server
// answers them that it is busy.
const guardRetries = 3

// round is a burst of requests on a connection, with guards behind them, and
// their responses. It takes all answers, or only those that need no proof.
type round struct {
	*get
	cn      *conn
	n       int  // of the pending requests
	guards  word // where word is not 0
	word    int  // guards behind them
	order   uint64
	depth   int // requests that may be on their way at a time
	retries int // see guardRetries
	started time.Time
	first   bool  // its first response is the connection's, and could be no other's
	bytes   int64 // of bodies
}

// run asks and takes. Its error is errEnd if all is taken and the connection
// ends with it, or a brokenRound.
func (r *round) run() error {
	fresh := r.cn.fresh()
	r.cn.ahead = r.n+r.word > 1 && r.depth > 1
	r.first, r.started = fresh && !r.cn.ahead, time.Now()
	before := r.cn.total
	r.ledger.reset()
	r.c.counts.requests.Add(int64(r.n + r.word))
	r.c.counts.guards.Add(int64(r.word))
	s := r.newSender()
	finished := false
	defer func() {
		if !finished { // a function of the Batch's panics
			s.end(false) //nolint:errcheck // that of the killed connection
		}
	}()
	err := r.receive(s)
	finished = true
	total := len(r.ledger.held)
	r.c.pipelining.ended(r.n+r.word, int(r.cn.total-before))
	if sent := s.end(err == nil || errors.Is(err, errEnd)); sent != nil && err == nil {
		err = errEnd
	}
	if err == nil || errors.Is(err, errEnd) {
		r.settle(true)
		r.c.pipelining.went()
		r.c.span.went(r.n, r.bytes, time.Since(r.started), r.c.o.Timeouts.Round)
		if r.b.Settled != nil {
			r.b.Settled()
		}
		return err
	}
	e := &brokenRound{why: err, round: r, fresh: fresh, served: slices.ContainsFunc(r.ledger.held, func(h held) bool { return !h.harmless() })}
	e.doubtful = fresh && !r.first && total > 0 && !r.ledger.held[0].harmless()
	kept := r.settle(false)
	e.held, e.owed = total, r.n-(total-kept)
	if e.suspect = kept; total >= r.n {
		e.suspect = -1
	}
	return e
}

// receive holds the responses and checks those of the guards.
func (r *round) receive(s *sender) error {
	if r.depth >= r.n+r.word { // else what is not asked for yet would be waited for
		least := leastResponse
		if r.b.Fields != nil {
			least = leastBodiless
		}
		r.cn.gather.begin(r.n+r.word, least)
	}
	defer func() {
		r.cn.report(Get)
		r.cn.ahead = false
		r.cn.gather.end()
	}()
	closing := error(nil)
	for k := 0; k < r.n; k++ {
		if closing != nil {
			return cutError("connection closed after a response")
		}
		if s.inline() {
			if k > 0 && time.Since(r.started) > r.c.o.Timeouts.Round {
				r.n = k // what has come shall be taken before long
				break
			}
			if err := s.send(k); err != nil {
				return err
			}
		} else if k > 0 && time.Since(r.started) > slowRounds*r.c.o.Timeouts.Round {
			return errFull
		}
		r.cn.gather.next(r.n + r.word - k - 1)
		if closing = r.hold(r.cn, r.pending[k], r.first && k == 0); closing != nil && !errors.Is(closing, errEnd) {
			return closing
		}
		if k == 0 {
			r.c.o.Traffic.timed(Get, r.started)
		}
		s.answered()
	}
	if r.word == 0 {
		return closing
	}
	r.cn.report(Get)
	return r.prove(s, closing)
}

// prove reads the responses for the guards. It is nil, or errEnd where the
// connection ends with the last of them, if all are right.
func (r *round) prove(s *sender, closing error) error {
	defer r.cn.report(Guard)
	for try := 0; ; try++ {
		busy := 0
		for w := range r.word {
			if closing != nil {
				return cutError("connection closed before a guard")
			}
			if s.inline() {
				if err := s.send(r.n + w); err != nil {
					return err
				}
			}
			r.cn.gather.next(r.word - w - 1)
			status := 0
			status, closing = r.guard(w)
			if closing != nil && !errors.Is(closing, errEnd) {
				return closing
			}
			if status != 0 {
				busy = status
			}
			s.answered()
		}
		switch {
		case busy == 0:
			return closing
		case try >= r.retries:
			return fmt.Errorf("%w: %w", errBusy, &mirror.StatusError{Code: busy})
		}
		r.c.counts.requests.Add(int64(r.word))
		r.c.counts.guards.Add(int64(r.word))
		if err := s.again(); err != nil {
			return err
		}
	}
}

// guard reads the response for the w-th guard and compares it with what it has
// to be. busy is its status where that says to come back later.
func (r *round) guard(w int) (busy int, err error) {
	status, body, err := r.cn.small(maxGuard)
	if err != nil && !errors.Is(err, errEnd) {
		return 0, err
	}
	if temporary(status) {
		return status, err
	}
	want := &r.guards[r.order>>w&1].guard
	if found := newGuard("", status, body, 0); !found.same(want) {
		return 0, fmt.Errorf("%w: guard %d of %d has status %d with %d bytes, it is %d with %d", errDesync, w+1, r.word, status, len(body), want.status, want.size)
	}
	return 0, err
}

// settle takes what is held: all of it where it is proven, else what needs no
// proof. It returns how many of the others there are.
func (r *round) settle(proven bool) (kept int) {
	l := r.ledger
	for k := range l.held {
		h := &l.held[k]
		if believed := proven || r.first && k == 0 || h.harmless(); !believed {
			r.pending[kept] = h.i
			kept++
			continue
		}
		switch {
		case h.taken:
		case h.err != nil:
			r.b.Take(int(h.i), nil, h.err)
		default:
			r.b.Take(int(h.i), l.answer(h), nil)
		}
		if file := h.status == 200 || h.status == http.StatusNotModified; r.word == 0 && file && h.err == nil && !r.b.alone {
			r.learn(h)
		}
		if proven {
			r.note(h)
		}
	}
	if proven && r.word > 0 {
		r.learnMore()
	}
	r.c.counts.taken.Add(int64(len(l.held) - kept))
	r.pending = append(r.pending[:kept], r.pending[len(l.held):]...)
	return kept
}
