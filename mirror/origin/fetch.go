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
	err := c.Get(ctx, &wire.Batch{
		Len:    len(names),
		Target: func(dst []byte, i int) []byte { return c.appendTarget(dst, names[i]) },
		Take:   f.take, Settled: r.Settled,
		Spool: f.spool(func(i int) int { return i }),
	})
	for err == nil && len(f.moved) > 0 {
		f.hops++
		err = f.follow(ctx)
	}
	for _, m := range f.moved { // those that were not asked for again
		r.Receive(m.i, nil, err)
	}
	return err
}

// follow asks for what was redirected.
func (f *fetch) follow(ctx context.Context) error {
	moved := f.moved
	f.moved = nil
	return f.c.Get(ctx, &wire.Batch{
		Len:    len(moved),
		Target: func(dst []byte, k int) []byte { return append(dst, moved[k].target...) },
		Take: func(k int, a *wire.Answer, err error) {
			f.taken(moved[k].i, moved[k].target, a, err)
		},
		Settled: f.r.Settled, Spool: f.spool(func(k int) int { return moved[k].i }),
	})
}

func (f *fetch) take(i int, a *wire.Answer, err error) { f.taken(i, "", a, err) }

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
			err = fmt.Errorf("%w: more than %d in a row, the last to %q", mirror.ErrRedirect, maxHops, wire.Clip(next))
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

// spool hands long bodies to the receiver, if it wants them before they are
// proven; name says which of the names a request is for.
func (f *fetch) spool(name func(k int) int) func(k int, a *wire.Answer) error {
	if f.r.Spool == nil {
		return nil
	}
	return func(k int, a *wire.Answer) error { return f.r.Spool(name(k), &a.Object) }
}
