package files

import (
	"cmp"
	"context"
	"errors"
	"net/http"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire"
)

// fetch is one call of Fetch.
type fetch struct {
	g       *Getter
	ctx     context.Context
	names   []string
	r       mirror.Receiver
	known   *conditions // nil where nothing is known
	next    []request   // to be asked for when all others were
	refused []refused   // by answers that may have a reason of their own
}

// request is a get of a name.
type request struct {
	i      int
	target string // empty: its own
	hops   int    // redirects within the origin that led there
	whole  bool   // without the condition
	last   bool   // a refusal is final
}

// refused is a request that was answered so.
type refused struct {
	request
	err *mirror.StatusError
}

// Fetch implements mirror.Fetcher.
func (g *Getter) Fetch(ctx context.Context, names []string, r mirror.Receiver) error {
	f := &fetch{g: g, ctx: ctx, names: names, r: r, known: g.conditions(len(names), &r)}
	err := f.ask(len(names), func(k int) request { return request{i: k} })
	f.explain(err)
	for err == nil && len(f.next) > 0 {
		next := f.next
		f.next = nil
		err = f.ask(len(next), func(k int) request { return next[k] })
		f.explain(err)
	}
	for _, q := range f.next { // those that were not asked for again
		r.Receive(q.i, nil, err)
	}
	g.keep(f.known)
	return err
}

// explain asks why requests were refused, and has all of them be made once more where
// that may help. ended is why the call has to end, if it has.
func (f *fetch) explain(ended error) {
	if len(f.refused) == 0 {
		return
	}
	again, why := false, error(nil)
	if ended == nil {
		first := f.refused[0]
		again, why = f.g.Explain(f.ctx, f.target(first.request), first.err)
	}
	for k, q := range f.refused {
		switch {
		case again:
			q.last = true
			f.next = append(f.next, q.request)
		case k == 0 && why != nil:
			f.r.Receive(q.i, nil, why)
		default:
			f.r.Receive(q.i, nil, q.err)
		}
	}
	f.refused = f.refused[:0]
}

// target is what is asked for.
func (f *fetch) target(q request) string {
	if q.target != "" {
		return q.target
	}
	return string(f.g.Target(nil, f.names[q.i]))
}

// ask makes n requests.
func (f *fetch) ask(n int, which func(k int) request) error {
	b := wire.Batch{
		Len: n,
		Target: func(dst []byte, k int) []byte {
			q := which(k)
			if q.target == "" {
				return f.g.Target(dst, f.names[q.i])
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
	return f.g.Client().Get(f.ctx, &b)
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
	case a.Redirect() && f.g.Redirect != nil:
		f.redirected(q, a)
	default:
		err := &mirror.StatusError{Code: a.Status, RetryAfter: a.RetryAfter}
		if a.Status == http.StatusServiceUnavailable {
			err.RetryAfter = cmp.Or(err.RetryAfter, f.g.Busy)
		}
		if !q.last && f.g.explains(err) {
			f.refused = append(f.refused, refused{q, err})
			return
		}
		f.r.Receive(q.i, nil, err)
	}
}

// askWhole has a request be made again without its condition.
func (f *fetch) askWhole(q request) {
	q.whole = true
	f.next = append(f.next, q)
}

// redirected has a request be made again where the answer says, with its condition.
func (f *fetch) redirected(q request, a *wire.Answer) {
	next, err := f.g.Redirect(a.Status, a.Location, f.target(q), f.names[q.i], q.hops)
	if err != nil {
		f.r.Receive(q.i, nil, err)
		return
	}
	f.next = append(f.next, request{i: q.i, target: next, hops: q.hops + 1, whole: q.whole})
}
