package origin

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/motefs/motefs/mirror"
)

// round asks for the names up to to and delivers their answers.
func (f *fetch) round(cn *conn, to int) error {
	if cn.surplus() {
		// More than was asked for; but nobody's answer is in doubt.
		return errEnd
	}
	if f.next == to-1 {
		cn.asked.Store(int64(to))
		cn.buf.out = f.c.appendGet(cn.buf.out[:0], f.names[f.next])
		if err := cn.write(cn.buf.out); err != nil {
			return cn.cut("writing the request", err)
		}
		return f.answer(cn)
	}
	from := f.next
	cn.asked.Store(int64(from))
	if err := cn.nc.SetWriteDeadline(time.Time{}); err != nil {
		return cn.cut("before a request", err)
	}
	if !f.c.spawn(func() { cn.wrote <- f.c.writeGets(cn, f.names[:to], from) }) {
		return errEnd
	}
	answered, before := false, cn.total
	cn.ahead = true
	defer func() {
		cn.ahead = false
		f.c.pipelining.ended(to-from, int(cn.total-before))
		// The writer uses the connection's buffer, so it must be gone before
		// that goes anywhere, even if deliver panics.
		if !answered {
			cn.kill()
			<-cn.wrote //nolint:errcheck // that of the killed connection
		}
	}()
	cn.beginGather(to - from)
	for f.next < to {
		cn.gather(to - f.next - 1)
		if err := f.answer(cn); err != nil {
			if f.next == from || !errors.Is(err, mirror.ErrFraming) && !errors.Is(err, os.ErrDeadlineExceeded) {
				return err
			}
			f.charge(err)
			return &desyncError{err}
		}
	}
	answered = true
	f.c.pipelining.went()
	cn.endGather()
	if err := cn.join(); err != nil {
		return err
	}
	if cn.surplus() {
		return &desyncError{framingError("more answers than requests")}
	}
	return nil
}

// desyncError is a mirror.ErrDesync: a round of which there are answers, and one
// that is malformed, too many, or missing. Those that came may belong to other
// requests than they seem to.
type desyncError struct{ cause error }

func (e *desyncError) Error() string { return fmt.Sprintf("%v: %v", mirror.ErrDesync, e.cause) }

func (e *desyncError) Is(target error) bool { return target == mirror.ErrDesync }

// join waits for a writer whose requests are all answered.
func (cn *conn) join() error {
	var err error
	select {
	case err = <-cn.wrote:
	default:
		if err := cn.nc.SetWriteDeadline(time.Now().Add(cn.timing.join)); err != nil {
			cn.kill()
		}
		err = <-cn.wrote
	}
	if err != nil {
		return errEnd
	}
	return nil
}

// writeGets runs beside the reader of a round. It has no deadline of its own:
// a write may rightly take as long as answers keep coming, and when they do
// not, the reader closes the connection.
func (c *Client) writeGets(cn *conn, names []string, from int) error {
	out := cn.buf.out[:0]
	for i := from; i < len(names); i++ {
		out = c.appendGet(out, names[i])
		if len(out) < writeBuffer && i < len(names)-1 {
			continue
		}
		cn.asked.Store(int64(i + 1))
		if _, err := cn.nc.Write(out); err != nil {
			return err
		}
		out = out[:0]
	}
	cn.buf.out = out
	return nil
}
