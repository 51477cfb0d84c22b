package origintest

import (
	"bytes"
	"errors"
	"io"
	"strconv"

	"github.com/valyala/fasthttp"
)

// answer is one answer before it is written, by fasthttp or by hand. A
// connection has one and uses its memory again.
type answer struct {
	status int
	head   bool   // a HEAD: the body is described but not sent
	obj    Object // the whole content
	off, n int64  // which part of it is sent

	header []field
	values []byte // memory of header's values
}

// field is one header field.
type field struct {
	key   string
	value []byte
}

// reset makes a an empty 200.
func (a *answer) reset(head bool) {
	a.obj.reset()
	a.status, a.head, a.off, a.n = fasthttp.StatusOK, head, 0, -1
	a.header, a.values = a.header[:0], a.values[:0]
}

// set adds a header field.
func (a *answer) set(key, value string) {
	start := len(a.values)
	a.values = append(a.values, value...)
	a.header = append(a.header, field{key, a.values[start:]})
}

// refuse makes a an answer with that status and text.
func (a *answer) refuse(status int, text string) {
	a.status = status
	a.obj.Body = []byte(text)
}

// refuseError makes a the answer to an error of the source.
func (a *answer) refuseError(err error) {
	switch {
	case errors.Is(err, ErrNotFound):
		a.refuse(fasthttp.StatusNotFound, "no such file\n")
	case errors.Is(err, ErrMarker):
		a.refuse(fasthttp.StatusBadRequest, "bad marker\n")
	default:
		a.refuse(fasthttp.StatusInternalServerError, err.Error()+"\n")
	}
}

// describe adds the validators of the object.
func (a *answer) describe() {
	if len(a.obj.ETag) > 0 {
		a.header = append(a.header, field{fasthttp.HeaderETag, a.obj.ETag})
	}
	if !a.obj.ModTime.IsZero() {
		start := len(a.values)
		a.values = fasthttp.AppendHTTPDate(a.values, a.obj.ModTime)
		a.header = append(a.header, field{fasthttp.HeaderLastModified, a.values[start:]})
	}
}

// part returns how much of the object is sent, and from where.
func (a *answer) part() (off, n int64) {
	if a.n < 0 {
		return 0, a.obj.size()
	}
	return a.off, a.n
}

// body returns a reader of the part that is sent.
func (a *answer) body() io.Reader {
	off, n := a.part()
	if a.obj.At != nil {
		return io.NewSectionReader(a.obj.At, off, n)
	}
	return bytes.NewReader(a.obj.Body[off : off+n])
}

// respond has fasthttp write the answer.
func (a *answer) respond(resp *fasthttp.Response) {
	if a.status != fasthttp.StatusOK {
		resp.SetStatusCode(a.status)
	}
	for i := range a.header {
		resp.Header.SetBytesV(a.header[i].key, a.header[i].value)
	}
	off, n := a.part()
	switch {
	case a.obj.At == nil:
		resp.SetBodyRaw(a.obj.Body[off : off+n])
	case a.head || bodiless(a.status):
		a.obj.close()
	default:
		resp.SetBodyStream(&stream{io.NewSectionReader(a.obj.At, off, n), a.obj}, int(n))
	}
	if a.head { // fasthttp knows itself that it has no body
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

// bodiless reports whether an answer with that status has no body, RFC 9110
// section 6.4.1.
func bodiless(status int) bool {
	return status < 200 || status == fasthttp.StatusNoContent || status == fasthttp.StatusNotModified
}

// appendHead appends the status line and the header fields as they go over the
// wire, without the empty line.
func (a *answer) appendHead(dst []byte) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(a.status), 10)
	dst = append(dst, ' ')
	dst = append(dst, fasthttp.StatusMessage(a.status)...)
	dst = append(dst, "\r\n"...)
	for i := range a.header {
		dst = appendField(dst, a.header[i].key, a.header[i].value)
	}
	return dst
}

// appendField appends one header field as it goes over the wire.
func appendField[V []byte | string](dst []byte, key string, value V) []byte {
	dst = append(dst, key...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}
