package origin

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"

	"github.com/motefs/motefs/mirror"
	"github.com/valyala/fasthttp"
)

// object delivers the 200 at hand for name i. done says whether deliver was
// called; the error is the connection's end.
func (f *fetch) object(cn *conn, i int) (done bool, err error) {
	if e := cn.encoding(); len(e) > 0 {
		f.deliver(i, nil, fmt.Errorf("%w: content-encoding %.40q", ErrEncoding, e))
		return true, cn.drain()
	}
	o := &f.c.o
	f.obj = mirror.Object{ModTime: cn.modTime(), ETag: cn.buf.parsed.Peek(fasthttp.HeaderETag)}
	switch n := cn.head.length; {
	case n > o.MaxFileSize:
		f.deliver(i, nil, fmt.Errorf("%w: file of %d bytes, the limit is %d", mirror.ErrTooLarge, n, o.MaxFileSize))
		return true, cn.endAnswer(false)
	case n >= 0 && n <= int64(o.InlineLimit):
		content, err := cn.whole(int(n))
		if err := cmp.Or(err, cn.overrun()); err != nil {
			return false, err
		}
		f.inline(cn, i, content)
		return true, cn.endAnswer(true)
	case n >= 0:
		return true, f.stream(cn, i, nil, cn.body(o.MaxFileSize))
	default:
		return f.unsized(cn, i)
	}
}

func (f *fetch) inline(cn *conn, i int, content []byte) {
	if f.probe.sampling() {
		f.probe.take(f.names[i], content, cn.waited)
	}
	f.obj.Body, f.obj.Size = content, int64(len(content))
	f.deliver(i, &f.obj, nil)
}

// unsized delivers a body of unknown length: if it ends within the inline limit
// as one that is whole, and as a stream otherwise.
func (f *fetch) unsized(cn *conn, i int) (done bool, _ error) {
	b := cn.body(f.c.o.MaxFileSize)
	start, err := readUpTo(cn.buf.scratch[:0], &b, f.c.o.InlineLimit+1)
	cn.buf.scratch = start
	switch {
	case err == nil:
		return true, f.stream(cn, i, start, b)
	case errors.Is(err, io.EOF):
		f.inline(cn, i, start)
		return true, cn.endAnswer(true)
	case errors.Is(err, mirror.ErrTooLarge):
		f.deliver(i, nil, err)
		return true, cn.endAnswer(false)
	default:
		return false, err
	}
}

// readUpTo appends to dst until it has limit bytes or r ends.
func readUpTo(dst []byte, r io.Reader, limit int) ([]byte, error) {
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

// errStale is what a stream gives that outlives its deliver.
var errStale = errors.New("stream used after deliver returned")

// stream delivers start and the rest of a body. Bodies that are streamed are
// long, so here it does not matter that something is allocated.
func (f *fetch) stream(cn *conn, i int, start []byte, rest body) error {
	b := &rest
	f.obj.Size = -1
	f.obj.Stream = b
	if b.mode == 0 {
		f.obj.Size = b.size
	}
	if len(start) > 0 {
		f.obj.Stream = io.MultiReader(bytes.NewReader(start), b)
	}
	f.deliver(i, &f.obj, nil)
	whole, err := b.whole(), b.err
	b.err = errStale
	if whole {
		return cn.endAnswer(true)
	}
	if errors.Is(err, mirror.ErrCut) || errors.Is(err, mirror.ErrFraming) {
		// Delivered, and the caller was told; but no whole answer.
		//nolint:errorlint // nobody is to be charged for it a second time
		return fmt.Errorf("%w: %v", errEnd, err)
	}
	return cn.endAnswer(false)
}
