package serve

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"

	"github.com/valyala/fasthttp"
)

// Response is a response before it is written, by fasthttp or by a [Writer]. A
// connection has one and uses its memory again.
type Response struct {
	Status int
	Head   bool // of a HEAD: the body is described but not sent

	obj    Object // the whole content
	off, n int64  // which part of it is sent

	header []field
	values []byte // memory of header's values
	key    []byte // memory of one key
}

// field is one header field.
type field struct {
	key   string // in its canonical form
	value []byte
}

// reset makes r an empty 200.
func (r *Response) reset(head bool) {
	r.obj.reset()
	r.Status, r.Head, r.off, r.n = fasthttp.StatusOK, head, 0, -1
	r.header, r.values = r.header[:0], r.values[:0]
}

// Set adds a header field. The key is in its canonical form.
func (r *Response) Set(key, value string) {
	start := len(r.values)
	r.values = append(r.values, value...)
	r.header = append(r.header, field{key, r.values[start:]})
}

// refuse makes r a response with that status and text.
func (r *Response) refuse(status int, text string) {
	r.Status = status
	r.obj.Body = []byte(text)
}

// refuseError makes r the response to an error of the source.
func (r *Response) refuseError(err error) {
	switch {
	case errors.Is(err, ErrNotFound):
		r.refuse(fasthttp.StatusNotFound, "no such file\n")
	case errors.Is(err, ErrMarker):
		r.refuse(fasthttp.StatusBadRequest, "bad marker\n")
	default:
		r.refuse(fasthttp.StatusInternalServerError, err.Error()+"\n")
	}
}

// describe adds the validators of the object.
func (r *Response) describe() {
	if len(r.obj.ETag) > 0 {
		r.header = append(r.header, field{fasthttp.HeaderETag, r.obj.ETag})
	}
	if !r.obj.ModTime.IsZero() {
		start := len(r.values)
		r.values = fasthttp.AppendHTTPDate(r.values, r.obj.ModTime)
		r.header = append(r.header, field{fasthttp.HeaderLastModified, r.values[start:]})
	}
}

// part returns how much of the object is sent, and from where.
func (r *Response) part() (off, n int64) {
	if r.n < 0 {
		return 0, r.obj.size()
	}
	return r.off, r.n
}

// Replace replaces the content, and takes away the header fields that described
// it.
func (r *Response) Replace(body []byte) {
	r.obj.close()
	r.obj.Body, r.off, r.n = body, 0, -1
	r.header = r.header[:0]
}

// Delete takes away the header field of that name, spelt as it was set.
func (r *Response) Delete(key string) {
	r.header = slices.DeleteFunc(r.header, func(h field) bool { return h.key == key })
}

// Len is the length of the body.
func (r *Response) Len() int64 {
	_, n := r.part()
	return n
}

// Body returns a reader of the part of the object that is sent.
func (r *Response) Body() io.Reader {
	off, n := r.part()
	if r.obj.At != nil {
		return io.NewSectionReader(r.obj.At, off, n)
	}
	return bytes.NewReader(r.obj.Body[off : off+n])
}

// respond has fasthttp write the response.
func (r *Response) respond(resp *fasthttp.Response) {
	if r.Status != fasthttp.StatusOK {
		resp.SetStatusCode(r.Status)
	}
	for i := range r.header {
		r.key = append(r.key[:0], r.header[i].key...)
		resp.Header.SetCanonical(r.key, r.header[i].value)
	}
	off, n := r.part()
	switch {
	case r.obj.At == nil:
		resp.SetBodyRaw(r.obj.Body[off : off+n])
	case r.Head || r.Bodiless():
		r.obj.close()
	default:
		resp.SetBodyStream(&stream{io.NewSectionReader(r.obj.At, off, n), r.obj}, int(n))
		r.obj.At = nil // the stream closes it
	}
	if r.Head { // fasthttp knows itself that it has no body
		resp.Header.SetContentLength(int(n))
	}
}

// stream is a body that fasthttp reads and closes.
type stream struct {
	io.Reader
	obj Object
}

// Close releases the object.
func (s *stream) Close() error {
	s.obj.close()
	return nil
}

// Bodiless reports whether a response with that status has no body and no
// length, RFC 9110 section 6.4.1.
func (r *Response) Bodiless() bool {
	return r.Status < 200 || r.Status == fasthttp.StatusNoContent || r.Status == fasthttp.StatusNotModified
}

// AppendHead appends the status line and the header fields as they go over the
// wire, without the length and the empty line.
func (r *Response) AppendHead(dst []byte) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(r.Status), 10)
	dst = append(dst, ' ')
	dst = append(dst, fasthttp.StatusMessage(r.Status)...)
	dst = append(dst, "\r\n"...)
	for i := range r.header {
		dst = AppendField(dst, r.header[i].key, r.header[i].value)
	}
	return dst
}

// AppendField appends one header field as it goes over the wire.
func AppendField[V []byte | string](dst []byte, key string, value V) []byte {
	dst = append(dst, key...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}
