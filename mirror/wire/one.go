package wire

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/motefs/motefs/mirror"
)

// Response is the response of One, valid until the function that it was handed to
// returns.
type Response struct {
	cn   *conn
	body *body
}

// Status is the status code.
func (r *Response) Status() int { return r.cn.head.status }

// Length is the length of the body in bytes, -1 where it is not said beforehand.
func (r *Response) Length() int64 { return max(r.cn.head.length, -1) }

// Field returns the value of a header field, empty without one. The name is in lower case.
func (r *Response) Field(name string) []byte { return r.cn.buf.fields.Get(name) }

// Fields are all the fields of a name, which are valid as long as the response is.
func (r *Response) Fields(name string) [][]byte { return r.cn.buf.fields.Values(name) }

// ETag is the validator, as it stands in the header.
func (r *Response) ETag() []byte { return r.cn.etag() }

// ModTime is the Last-Modified in seconds since 1970, or 0.
func (r *Response) ModTime() int64 { return r.cn.modTime() }

// Location is the header of that name where the status is a redirect that a get
// may follow.
func (r *Response) Location() string {
	if !isRedirect(r.Status()) {
		return ""
	}
	return string(r.Field("location"))
}

// Encoding is the Content-Encoding, empty for identity.
func (r *Response) Encoding() []byte { return r.cn.encoding() }

// Err is the error for a status that is not the one wanted.
func (r *Response) Err() error {
	if err := r.cn.call.c.refusal(r.Status()); err != nil {
		return err
	}
	return &mirror.StatusError{Code: r.Status(), RetryAfter: r.cn.retryAfter()}
}

// Reused reports whether others were answered on the connection before. Then
// the response could be a late one for another request, and the caller has to tell
// by what it says.
func (r *Response) Reused() bool { return r.cn.total > 0 }

// End has the connection not be used again: what it says may belong to others.
func (r *Response) End() { r.cn.head.closing = true }

// Read reads the body. It ends with io.EOF only where the body is whole.
func (r *Response) Read(p []byte) (int, error) { return r.body.Read(p) }

// wholeStart is what a body's buffer has at first, in bytes. A declared length is
// believed only as far as bytes come.
const wholeStart = 1 << 20

// Whole returns the body, in dst where that has room. One of more than limit bytes is
// mirror.ErrTooLarge.
func (r *Response) Whole(dst []byte, limit int64) ([]byte, error) {
	if r.Length() > limit {
		return nil, mirror.ErrTooLarge
	}
	if r.Length() > int64(cap(dst)) {
		// One byte more, so that the end is seen without growing.
		dst = make([]byte, 0, min(r.Length(), wholeStart)+1)
	}
	dst, err := ReadUpTo(dst[:0], r, int(limit)+1)
	switch {
	case errors.Is(err, io.EOF):
		return dst, nil
	case err == nil:
		return nil, mirror.ErrTooLarge
	}
	return nil, err
}

// One asks for one target, for op List or Get, with these header fields (each with its CRLF) besides
// the usual ones, and hands the response to use, whose error it returns. fresh
// asks for a connection of its own, on which nothing else was answered before.
// Other errors are those of the connection, which use was not called for or could
// not read the body on.
func (c *Client) One(ctx context.Context, op Op, target string, fields []byte, fresh bool, use func(r *Response) error) error {
	ca := c.begin(ctx)
	defer ca.end()
	for {
		if err := ca.err(); err != nil {
			return err
		}
		cn, err := c.take(ca, fresh)
		if err != nil {
			if ca.err() == nil {
				c.o.Traffic.lost(op)
			}
			return err
		}
		var result error
		began := false
		err = c.with(cn, func() error {
			start := time.Now()
			cn.buf.out = c.appendRequest(cn.buf.out[:0], target, fields)
			if err := cn.write(cn.buf.out, 1); err != nil {
				return err
			}
			if err := cn.readHead(); err != nil {
				return err
			}
			began = true
			result, err = cn.use(use)
			cn.report(op)
			if op == List {
				c.o.Traffic.timed(op, start)
			}
			return err
		})
		switch cause := ca.err(); {
		case cause != nil && errors.Is(err, cause):
			return err // and where it was
		case cause != nil && err != nil:
			return cause
		case began:
			return result
		case cn.pooled:
			fresh = true // it was dead before
		default:
			c.o.Traffic.lost(op)
			return err
		}
	}
}

// use hands the response at hand to a function. end is the connection's end.
func (cn *conn) use(use func(r *Response) error) (result, end error) {
	b := cn.body(1 << 62)
	result = use(&Response{cn: cn, body: &b})
	size := cn.head.length
	if size < 0 && b.whole() {
		size = b.got
	}
	cn.hadLike(cn.head.status, size)
	if b.got == 0 && b.err == nil && b.left <= maxDrain {
		return result, cn.drain()
	}
	whole := b.whole()
	if broke := b.err; !whole && result == nil && broke != nil {
		result = broke
	}
	b.err = errStale
	return result, cn.endResponse(whole)
}
