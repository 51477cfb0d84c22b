package origin

import (
	"context"
	"errors"

	"github.com/motefs/motefs/mirror"
)

// maxStrikes is the number of connections in a row without a single answer
// after which the origin counts as out of reach.
const maxStrikes = 8

// fetch is one call of Fetch.
type fetch struct {
	*call
	names   []string
	deliver func(i int, obj *mirror.Object, err error)
	next    int // names[:next] are delivered, or are in moved
	lone    int // names[lone-1] is to be asked for alone
	moved   []moved
	obj     mirror.Object
	probe   probe
}

// moved is a name that was redirected within the origin.
type moved struct {
	i      int
	target string
}

// Fetch implements mirror.Fetcher.
func (c *Client) Fetch(ctx context.Context, names []string, deliver func(i int, obj *mirror.Object, err error)) error {
	f := &fetch{call: c.begin(ctx), names: names, deliver: deliver}
	defer f.end()
	f.probe.want = len(names) >= probeFrom && c.pipelining.unknown()
	err := f.err()
	if err == nil {
		err = f.pipeline()
	}
	if err == nil {
		err = f.follow()
	}
	if err != nil {
		f.giveUp(err)
	}
	return err
}

// giveUp delivers err for every name that has nothing else.
func (f *fetch) giveUp(err error) {
	for f.next < len(f.names) {
		f.charge(err)
	}
	for len(f.moved) > 0 {
		f.shift(err)
	}
}

// charge delivers err for the next name.
func (f *fetch) charge(err error) {
	f.next++
	f.deliver(f.next-1, nil, err)
}

// pipeline delivers all names but those in moved, unless the call has to stop.
func (f *fetch) pipeline() error {
	strikes, fresh := 0, false
	for f.next < len(f.names) {
		cn, err := f.c.take(f.call, fresh)
		if err == nil {
			fresh, err = f.use(cn, &strikes)
		}
		if errors.Is(err, mirror.ErrDesync) {
			return err
		}
		if cause := f.err(); cause != nil && f.next < len(f.names) {
			return cause
		}
		for err != nil && f.next < len(f.names) {
			f.charge(err)
		}
	}
	return nil
}

// use gets what it can from a connection and charges for its end. It returns an
// error if the origin is out of reach or out of step, and whether the next
// connection has to be a fresh one.
func (f *fetch) use(cn *conn, strikes *int) (fresh bool, _ error) {
	before := cn.total
	err := f.run(cn)
	if desync, ok := errors.AsType[*desyncError](err); ok {
		f.c.distrust(cn.total)
		f.c.pipelining.desynced(desync, f.c.o.timing.idle)
		return false, err
	}
	if f.next == len(f.names) || f.err() != nil {
		return false, nil
	}
	if errors.Is(err, errLengthless) {
		f.c.distrust(cn.total)
		f.lone = f.next + 1
		return true, nil
	}
	answered := cn.total > before
	if cn.reused && !answered {
		// Servers close idle connections when they like, and some say so with
		// an answer that nobody asked for.
		return true, nil
	}
	f.c.distrust(cn.total)
	if errors.Is(err, mirror.ErrFraming) || errors.Is(err, mirror.ErrCut) && !answered {
		f.charge(err)
	}
	if answered {
		*strikes = 0
		return false, nil
	}
	if *strikes++; *strikes < maxStrikes {
		return false, nil
	}
	return false, outOfReach(err)
}

// run asks for the remaining names on a connection until it ends, which is what
// the error says. It drops the connection or puts it back.
func (f *fetch) run(cn *conn) error {
	stop, good := context.AfterFunc(f.ctx, cn.kill), false
	defer func() {
		// Where the call was cancelled the connection may yet be killed.
		if stop() && good {
			f.c.put(cn)
		} else {
			f.c.drop(cn)
		}
	}()
	if err := cn.early(); err != nil {
		return err
	}
	for f.next < len(f.names) {
		if !f.prove(cn) {
			return errEnd
		}
		room := min(f.c.trust(cn.total), f.c.pipelining.depth())
		if f.lone > f.next {
			room = max(1, f.lone-1-f.next)
		}
		if err := f.round(cn, f.next+min(room, len(f.names)-f.next)); err != nil {
			return err
		}
	}
	good = true
	return nil
}

// answer reads and delivers the answer to the next name. Unless it returns an
// error other than errEnd, the name is done with.
func (f *fetch) answer(cn *conn) error {
	if err := cn.readHead(); err != nil {
		return err
	}
	if int64(f.next) >= cn.asked.Load() {
		return framingError("answer to a request that was not sent")
	}
	i := f.next
	switch {
	case cn.head.status == 200:
		done, err := f.object(cn, i)
		if done {
			f.next++
		}
		return err
	case isRedirect(cn.head.status):
		target, err := f.c.redirect(cn, string(f.c.appendTarget(nil, f.names[i])))
		if err != nil {
			f.charge(err)
		} else {
			f.next++
			f.moved = append(f.moved, moved{i, target})
		}
		return cn.drain()
	default:
		f.charge(f.c.refusal(cn))
		return cn.drain()
	}
}
