package origin

import (
	"context"
	"fmt"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire"
)

// fetch is one call of Fetch.
type fetch struct {
	c     *Client
	names []string
	r     mirror.Receiver
	moved []moved
	hops  int
}

// moved is a name that was redirected within the origin.
type moved struct {
	i      int
	target string
}

// Fetch implements mirror.Fetcher.
func (c *Client) Fetch(ctx context.Context, names []string, r mirror.Receiver) error {
	f := &fetch{c: c, names: names, r: r}
	err := f.ask(ctx, len(names), func(k int) moved { return moved{i: k} })
	for err == nil && len(f.moved) > 0 {
		next := f.moved
		f.moved = nil
		f.hops++
		err = f.ask(ctx, len(next), func(k int) moved { return next[k] })
	}
	for _, m := range f.moved { // those that were not asked for again
		r.Receive(m.i, nil, err)
	}
	return err
}

// ask asks for n names, each under its own name unless it was redirected.
func (f *fetch) ask(ctx context.Context, n int, which func(k int) moved) error {
	b := wire.Batch{
		Len: n,
		Target: func(dst []byte, k int) []byte {
			m := which(k)
			if m.target == "" {
				return f.c.appendTarget(dst, f.names[m.i])
			}
			return append(dst, m.target...)
		},
		Take: func(k int, a *wire.Answer, err error) {
			m := which(k)
			f.taken(m.i, m.target, a, err)
		},
		Settled: f.r.Settled,
	}
	if f.r.Spool != nil {
		b.Spool = func(k int, a *wire.Answer) error { return f.r.Spool(which(k).i, &a.Object) }
	}
	return f.c.Get(ctx, &b)
}

// taken deals with an answer for name i, which was asked for as target, or under
// its own name.
func (f *fetch) taken(i int, target string, a *wire.Answer, err error) {
	switch {
	case err != nil:
		f.r.Receive(i, nil, err)
	case a.Status == 200:
		f.r.Receive(i, &a.Object, nil)
	case a.Redirect():
		if target == "" {
			target = string(f.c.appendTarget(nil, f.names[i]))
		}
		next, err := f.c.redirect(a.Status, a.Location, target, f.names[i])
		if err == nil && f.hops == maxHops {
			err = fmt.Errorf("%w: more than %d in a row, the last to %q", mirror.ErrRedirect, maxHops, withoutSecrets(next))
		}
		if err != nil {
			f.r.Receive(i, nil, err)
			return
		}
		f.moved = append(f.moved, moved{i, next})
	default:
		f.r.Receive(i, nil, &mirror.StatusError{Code: a.Status, RetryAfter: a.RetryAfter})
	}
}
