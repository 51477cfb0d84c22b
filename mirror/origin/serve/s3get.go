package serve

import (
	"errors"
	"time"

	"github.com/valyala/fasthttp"
)

// get answers a get of the key in c.name.
func (f *s3Face) get(ctx *fasthttp.RequestCtx, c *conn) Writer {
	c.counts.gets.Add(1)
	write, ok := f.s.arrive(ctx, c, f.s.o.GetLatency, Request{Name: c.name})
	if !ok {
		return nil
	}
	r := &c.response
	if err := f.s.src.Get(c.name, &r.obj); err != nil {
		r.obj.close()
		f.refuseError(c, err)
		return write
	}
	if r.obj.ModTime.IsZero() {
		r.obj.ModTime = noTime
	}
	r.describe()
	h := &ctx.Request.Header
	if r.changed(h) {
		r.obj.close()
		f.refuse(c, s3PreconditionFailed)
		return write
	}
	if f.s.o.Intercept == nil || !c.request.Unconditional {
		r.condition(h)
	}
	if r.Status == fasthttp.StatusOK && !f.o.NoSums {
		if err := r.sum(h); err != nil {
			r.obj.close()
			f.refuseError(c, err)
			return write
		}
	}
	switch r.Status {
	case fasthttp.StatusOK, fasthttp.StatusPartialContent:
		r.header = append(r.header, field{fasthttp.HeaderAcceptRanges, bytesUnit}, field{fasthttp.HeaderContentType, binaryType})
	case fasthttp.StatusRequestedRangeNotSatisfiable:
		f.refuse(c, s3InvalidRange)
	}
	return write
}

// noTime is when a file was modified of which the source says no time.
var noTime = time.Unix(0, 0).UTC()

var (
	bytesUnit  = []byte("bytes")
	binaryType = []byte("binary/octet-stream")
)

// refuseError makes the response that to an error of the source.
func (f *s3Face) refuseError(c *conn, err error) {
	switch {
	case errors.Is(err, ErrNotFound):
		f.refuse(c, s3NoSuchKey, "Key", string(c.name))
	default:
		f.refuse(c, s3InternalError, "Reason", err.Error())
	}
}
