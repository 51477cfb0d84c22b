package origin

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/motefs/motefs/mirror"
	"github.com/valyala/fasthttp"
)

// maxHops bounds the redirects that are followed for one request.
const maxHops = 5

func isRedirect(status int) bool {
	switch status {
	case 301, 302, 303, 307, 308:
		return true
	}
	return false
}

// single asks for one target and hands an answer that is no redirect to use,
// which reads its body and returns the connection's end: nil or errEnd for an
// answer that came whole. Redirects within the origin are followed; hops is how
// many there were before.
func (c *Client) single(ca *call, target string, hops int, use func(cn *conn) error) error {
	for fresh := false; ; {
		cn, err := c.take(ca, fresh)
		if err != nil {
			return err
		}
		var next string
		var refused error
		reused := cn.reused
		began, err := c.exchange(cn, target, func(cn *conn) error {
			if !isRedirect(cn.head.status) {
				return use(cn)
			}
			next, refused = c.redirect(cn, target)
			return cn.drain()
		})
		if cause := ca.err(); cause != nil && err != nil {
			return cause
		}
		if reused && !began {
			fresh = true // it was dead before; see fetch.use
			continue
		}
		if err != nil && !errors.Is(err, errEnd) {
			return err
		}
		if refused != nil || next == "" {
			return refused
		}
		if hops++; hops > maxHops {
			return fmt.Errorf("%w: more than %d in a row, the last to %q", mirror.ErrRedirect, maxHops, clip(next))
		}
		target, fresh = next, false
	}
}

// exchange sends one request on a connection and hands the head of its answer
// to use; began says whether there was one. It drops the connection or puts it
// back, so the caller has it no longer.
func (c *Client) exchange(cn *conn, target string, use func(cn *conn) error) (began bool, err error) {
	stop := context.AfterFunc(cn.call.ctx, cn.kill)
	err = errEnd // if use panics
	defer func() {
		if stop() && err == nil {
			c.put(cn)
		} else {
			c.drop(cn)
		}
	}()
	if err := cn.early(); err != nil {
		return false, err
	}
	cn.buf.out = c.appendRequest(cn.buf.out[:0], target, cn.call.fields)
	if err := cn.write(cn.buf.out); err != nil {
		return false, cn.cut("writing the request", err)
	}
	if err := cn.readHead(); err != nil {
		return false, err
	}
	return true, use(cn)
}

// redirect resolves the Location of the redirect at hand, which answers a
// request for target, to a target at the same origin.
func (c *Client) redirect(cn *conn, target string) (string, error) {
	location := string(cn.buf.parsed.Peek(fasthttp.HeaderLocation))
	if location == "" {
		return "", fmt.Errorf("%w: status %d without a Location", mirror.ErrRedirect, cn.head.status)
	}
	refuse := func(why string) (string, error) {
		return "", fmt.Errorf("%w: status %d to %q: %s", mirror.ErrRedirect, cn.head.status, clip(location), why)
	}
	from, err := url.Parse(c.base.url.Scheme + "://" + c.base.url.Host + target)
	if err != nil {
		return refuse(err.Error())
	}
	to, err := from.Parse(location)
	switch {
	case err != nil:
		return refuse("no URL")
	case to.Scheme != c.base.url.Scheme || to.Hostname() != c.base.url.Hostname() || portOf(to) != portOf(c.base.url):
		return refuse("another host")
	case to.User != nil:
		return refuse("it has user-info")
	}
	return cleanTarget(to.RequestURI()), nil
}

// cleanTarget encodes what would end a request line early. url.Parse lets it
// stand in a query.
func cleanTarget(target string) string {
	var out []byte
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c >= 0x7f {
			out = append(out, '%', upperHex[c>>4], upperHex[c&15])
		} else {
			out = append(out, c)
		}
	}
	return string(out)
}

// follow delivers the names in moved, one after another.
func (f *fetch) follow() error {
	strikes := 0
	for len(f.moved) > 0 {
		if err := f.err(); err != nil {
			return err
		}
		m, done := f.moved[0], false
		err := f.c.single(f.call, m.target, 1, func(cn *conn) (err error) {
			if cn.head.status == 200 {
				done, err = f.object(cn, m.i)
				return err
			}
			done = true
			f.deliver(m.i, nil, f.c.refusal(cn))
			return cn.drain()
		})
		if done {
			f.moved, strikes = f.moved[1:], 0
			continue
		}
		if cause := f.err(); cause != nil {
			return cause
		}
		if strikes++; errors.Is(err, mirror.ErrRedirect) {
			strikes = 0
		}
		f.shift(err)
		if strikes == maxStrikes {
			err = outOfReach(err)
		}
		for errors.Is(err, mirror.ErrUnreachable) && len(f.moved) > 0 {
			f.shift(err)
		}
	}
	return nil
}

// shift delivers err for the first of the moved names.
func (f *fetch) shift(err error) {
	i := f.moved[0].i
	f.moved = f.moved[1:]
	f.deliver(i, nil, err)
}
