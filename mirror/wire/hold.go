package wire

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"

	"github.com/motefs/motefs/mirror"
)

// hold reads the response for request i into the ledger. first says that it is
// the connection's first and the only one due, which proves it. The error is errEnd if the response is
// held and the connection ends with it.
func (r *round) hold(cn *conn, i int32, first bool) error {
	if err := cn.readHead(); err != nil {
		return err
	}
	if cn.total >= cn.asked.Load() {
		return framingError("response to a request that was not sent")
	}
	if r.full(0) {
		return errFull // of ETags and Locations
	}
	h := held{i: i, status: int16(cn.head.status), size: -1}
	var etag, location []byte
	switch {
	case cn.head.status == 200:
		return r.holdFile(cn, h, first)
	case cn.head.status == http.StatusNotModified:
		if err := cn.overrun(); err != nil {
			return err
		}
		h.modTime, etag = cn.modTime(), cn.etag()
	case isRedirect(cn.head.status):
		location = cn.buf.fields.Get("location")
	default:
		h.err = r.c.refusal(cn.head.status)
		h.retryAfterMilli = uint32(min(cn.retryAfter().Milliseconds(), math.MaxUint32))
	}
	r.bytes += int64(len(etag) + len(location))
	r.ledger.add(h, nil, etag, location)
	return cn.drain()
}

// holdFile reads a file. One that is too long for the ledger is handed out as a
// stream: for good where it is proven already, else to be kept apart.
func (r *round) holdFile(cn *conn, h held, first bool) error {
	if e := cn.encoding(); len(e) > 0 {
		h.err = fmt.Errorf("%w: content-encoding %.40q", ErrEncoding, e)
		r.ledger.add(h, nil, nil, nil)
		return cn.drain()
	}
	h.modTime = cn.modTime()
	sum := cn.sum()
	switch n := cn.head.length; {
	case n >= 0 && n <= int64(r.c.o.InlineLimit):
		if r.full(n) {
			return errFull
		}
		content, err := cn.whole(int(n))
		if err := cmp.Or(err, cn.overrun()); err != nil {
			return err
		}
		sum.add(content)
		if h.err = sum.wrong(); h.err != nil {
			r.ledger.add(h, nil, nil, nil)
			return cn.endResponse(true)
		}
		h.size = n
		r.bytes += n + int64(len(cn.etag()))
		r.ledger.add(h, content, cn.etag(), nil)
		return cn.endResponse(true)
	case n < 0:
		return r.holdUnsized(cn, h, sum, first)
	case first && n > r.c.o.MaxFileSize:
		h.err = fmt.Errorf("%w: file of %d bytes, the limit is %d", mirror.ErrTooLarge, n, r.c.o.MaxFileSize)
		r.ledger.add(h, nil, nil, nil)
		return cn.endResponse(false)
	case first:
		h.size = n
		return r.stream(cn, h, nil, cn.body(n).summed(sum), r.handOut)
	case r.b.Spool == nil || n > min(spoolMost, r.c.o.MaxFileSize):
		return errAlone
	case r.full(n):
		return errFull
	default:
		h.size, h.spooled = n, true
		return r.stream(cn, h, nil, cn.body(n).summed(sum), r.b.Spool)
	}
}

// full reports whether a body of n bytes has to wait for the proof of those
// before it.
func (r *round) full(n int64) bool { return r.bytes+n > maxHeld && len(r.ledger.held) > 0 }

// handOut takes a stream that is proven.
func (r *round) handOut(i int, a *Answer) error {
	r.b.Take(i, a, nil)
	return nil
}

// holdUnsized reads a body of unknown length.
func (r *round) holdUnsized(cn *conn, h held, sum *sum, first bool) error {
	b := cn.body(r.c.o.MaxFileSize).summed(sum)
	start, err := ReadUpTo(cn.buf.scratch[:0], &b, r.c.o.InlineLimit+1)
	cn.buf.scratch = start
	switch {
	case err == nil && first:
		return r.stream(cn, h, start, b, r.handOut)
	case err == nil, errors.Is(err, mirror.ErrTooLarge) && !first:
		return errAlone
	case errors.Is(err, io.EOF):
		h.size = int64(len(start))
		r.bytes += h.size
		r.ledger.add(h, start, cn.etag(), nil)
		return cn.endResponse(true)
	case errors.Is(err, mirror.ErrTooLarge), mismatch(err):
		h.err = err
		r.ledger.add(h, nil, nil, nil)
		return cn.endResponse(b.whole())
	default:
		return err
	}
}

// stream hands start and the rest of a body to use. Bodies that are streamed
// are long, so here it does not matter that something is allocated.
func (r *round) stream(cn *conn, h held, start []byte, rest body, use func(i int, a *Answer) error) error {
	b := &rest
	a := Answer{Status: 200, Object: mirror.Object{Size: h.size, ModTime: h.modTime, ETag: bytes.Clone(cn.etag()), Stream: b, Check: b.sum.check()}}
	if len(start) > 0 {
		a.Stream = io.MultiReader(bytes.NewReader(start), b)
	}
	err := use(int(h.i), &a)
	r.bytes += b.got
	whole, broke := b.whole(), b.err
	b.err = errStale
	switch {
	case !h.spooled:
		h.taken = true
	case err != nil || mismatch(broke):
		h.err = cmp.Or(err, broke)
	case !whole:
		return cmp.Or(broke, cutError("body not read to its end"))
	}
	r.ledger.add(h, nil, a.ETag, nil)
	return cn.endResponse(whole)
}

// errStale is what a stream gives that outlives its Take or Spool.
var errStale = errors.New("stream used after it was handed back")

// etag is the validator of the response at hand, as it stands there.
func (cn *conn) etag() []byte { return cn.buf.fields.Get("etag") }

// small reads a whole response with a body of at most limit bytes.
func (cn *conn) small(limit int) (status int, body []byte, err error) {
	if err := cn.readHead(); err != nil {
		return 0, nil, err
	}
	if cn.total >= cn.asked.Load() {
		return 0, nil, framingError("response to a request that was not sent")
	}
	b := cn.body(int64(limit))
	body, err = ReadUpTo(cn.buf.scratch[:0], &b, limit+1)
	cn.buf.scratch = body
	switch {
	case err == nil || errors.Is(err, mirror.ErrTooLarge):
		return cn.head.status, body, cn.endResponse(false)
	case errors.Is(err, io.EOF):
		return cn.head.status, body, cn.endResponse(true)
	}
	return 0, nil, err
}

// ReadUpTo appends to dst until it has limit bytes or r ends.
func ReadUpTo(dst []byte, r io.Reader, limit int) ([]byte, error) {
	for len(dst) < limit {
		if len(dst) == cap(dst) {
			dst = append(dst, make([]byte, max(4<<10, len(dst)))...)[:len(dst)]
		}
		n, err := r.Read(dst[len(dst):min(cap(dst), limit)])
		dst = dst[:len(dst)+n]
		if err != nil {
			return dst, err
		}
	}
	return dst, nil
}
