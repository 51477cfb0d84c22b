package origin

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire"
)

// fetch is one call of Fetch.
type fetch struct {
	c     *Client
	names []string
	r     mirror.Receiver
	known *conditions // nil where nothing is known
	next  []request   // to be asked for when all others were
}

// request is a get of a name.
type request struct {
	i      int
	target string // empty: its own
	hops   int    // redirects within the origin that led there
	whole  bool   // without the condition
}

// Fetch implements mirror.Fetcher.
func (c *Client) Fetch(ctx context.Context, names []string, r mirror.Receiver) error {
	f := &fetch{c: c, names: names, r: r, known: c.conditions(len(names), &r)}
	err := f.ask(ctx, len(names), func(k int) request { return request{i: k} })
	for err == nil && len(f.next) > 0 {
		next := f.next
		f.next = nil
		err = f.ask(ctx, len(next), func(k int) request { return next[k] })
	}
	for _, q := range f.next { // those that were not asked for again
		r.Receive(q.i, nil, err)
	}
	c.keep(f.known)
	return err
}

// ask makes n requests.
func (f *fetch) ask(ctx context.Context, n int, which func(k int) request) error {
	b := wire.Batch{
		Len: n,
		Target: func(dst []byte, k int) []byte {
			q := which(k)
			if q.target == "" {
				return f.c.appendTarget(dst, f.names[q.i])
			}
			return append(dst, q.target...)
		},
		Take:    func(k int, a *wire.Answer, err error) { f.taken(which(k), a, err) },
		Settled: f.r.Settled,
	}
	if f.known != nil {
		b.Fields = func(dst []byte, k int) []byte { return append(dst, f.condition(which(k))...) }
	}
	if f.r.Spool != nil {
		b.Spool = func(k int, a *wire.Answer) error { return f.r.Spool(which(k).i, &a.Object) }
	}
	return f.c.Get(ctx, &b)
}

// condition is the field that a request has for it, empty without one.
func (f *fetch) condition(q request) []byte {
	if q.whole {
		return nil
	}
	return f.known.field(q.i)
}

// taken deals with the answer to a request.
func (f *fetch) taken(q request, a *wire.Answer, err error) {
	if err == nil && a.Status == 200 {
		f.r.Receive(q.i, &a.Object, nil)
		return
	}
	condition := f.condition(q)
	switch {
	case errors.Is(err, mirror.ErrFraming) && len(condition) > 0:
		f.askWhole(q) // some servers send a body with a 304
	case err != nil:
		f.r.Receive(q.i, nil, err)
	case a.Status == http.StatusNotModified && len(condition) > 0:
		if answers(a, condition, f.known.of[q.i].modTime) {
			f.r.Receive(q.i, nil, mirror.ErrNotModified)
		} else {
			f.askWhole(q)
		}
	case a.Redirect():
		f.redirected(q, a)
	default:
		f.r.Receive(q.i, nil, &mirror.StatusError{Code: a.Status, RetryAfter: a.RetryAfter})
	}
}

// askWhole has a request be made again without its condition.
func (f *fetch) askWhole(q request) {
	q.whole = true
	f.next = append(f.next, q)
}

// redirected has a request be made again where the answer says, with its condition.
func (f *fetch) redirected(q request, a *wire.Answer) {
	target := q.target
	if target == "" {
		target = string(f.c.appendTarget(nil, f.names[q.i]))
	}
	next, err := f.c.redirect(a.Status, a.Location, target, f.names[q.i])
	if err == nil && q.hops == maxHops {
		err = fmt.Errorf("%w: more than %d in a row, the last to %q", mirror.ErrRedirect, maxHops, withoutSecrets(next))
	}
	if err != nil {
		f.r.Receive(q.i, nil, err)
		return
	}
	f.next = append(f.next, request{i: q.i, target: next, hops: q.hops + 1, whole: q.whole})
}
