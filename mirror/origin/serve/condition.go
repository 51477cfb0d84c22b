package serve

import (
	"bytes"
	"strconv"

	"github.com/valyala/fasthttp"
)

// condition turns the response to a get into a 304, 206 or 416 where the request
// asks for it.
func (r *Response) condition(h *fasthttp.RequestHeader) {
	if want := h.Peek(fasthttp.HeaderIfNoneMatch); len(want) > 0 && len(r.obj.ETag) > 0 && matchesETag(want, r.obj.ETag) {
		r.obj.close()
		r.obj.Body = nil
		r.Status = fasthttp.StatusNotModified
		return
	}
	want := h.Peek(fasthttp.HeaderRange)
	if len(want) == 0 || r.Head {
		return
	}
	if same := h.Peek(fasthttp.HeaderIfRange); len(same) > 0 && !r.sameVersion(same) {
		return
	}
	r.cutRange(want)
}

// sameVersion reports whether an If-Range names the object's version, by a
// strong ETag or by its date, RFC 9110 section 13.1.5.
func (r *Response) sameVersion(want []byte) bool {
	if want[0] == '"' {
		return bytes.Equal(want, r.obj.ETag)
	}
	return !r.obj.ModTime.IsZero() && bytes.Equal(want, fasthttp.AppendHTTPDate(nil, r.obj.ModTime))
}

// cutRange responds with the one range that a Range header asks for. What is no
// such range is ignored, as RFC 9110 section 14.2 allows.
func (r *Response) cutRange(want []byte) {
	size := r.obj.size()
	first, last, ok := parseRange(want, size)
	if !ok {
		return
	}
	if first > last {
		r.obj.close()
		r.refuse(fasthttp.StatusRequestedRangeNotSatisfiable, "no such range\n")
		r.Set(fasthttp.HeaderContentRange, "bytes */"+strconv.FormatInt(size, 10))
		return
	}
	r.Status = fasthttp.StatusPartialContent
	r.off, r.n = first, last-first+1
	r.Set(fasthttp.HeaderContentRange, "bytes "+strconv.FormatInt(first, 10)+"-"+
		strconv.FormatInt(last, 10)+"/"+strconv.FormatInt(size, 10))
}

// parseRange reads "bytes=first-last", "bytes=first-" or "bytes=-length" for a
// file of size bytes. A range that the file has no byte of comes back with
// first above last.
func parseRange(want []byte, size int64) (first, last int64, ok bool) {
	spec, ok := bytes.CutPrefix(want, []byte("bytes="))
	if !ok {
		return 0, 0, false
	}
	from, to, ok := bytes.Cut(spec, []byte{'-'})
	if !ok {
		return 0, 0, false
	}
	if len(from) == 0 {
		n, ok := parseDigits(to)
		if n == 0 || size == 0 {
			return 1, 0, ok
		}
		return max(0, size-n), size - 1, ok
	}
	if first, ok = parseDigits(from); !ok {
		return 0, 0, false
	}
	last = size - 1
	if len(to) > 0 {
		n, ok := parseDigits(to)
		if !ok || n < first {
			return 0, 0, false
		}
		last = min(last, n)
	}
	if first >= size {
		return 1, 0, true
	}
	return first, last, true
}

// parseDigits reads a number of digits only.
func parseDigits(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	var v int64
	for _, d := range b {
		if d < '0' || d > '9' {
			return 0, false
		}
		v = v*10 + int64(d-'0')
	}
	return v, true
}

// matchesETag reports whether an If-None-Match names etag. The comparison is
// the weak one, RFC 9110 section 13.1.2.
func matchesETag(want, etag []byte) bool {
	weak := []byte("W/")
	etag = bytes.TrimPrefix(etag, weak)
	for len(want) > 0 {
		var one []byte
		one, want, _ = bytes.Cut(want, []byte{','})
		one = bytes.TrimSpace(one)
		if string(one) == "*" || bytes.Equal(bytes.TrimPrefix(one, weak), etag) {
			return true
		}
	}
	return false
}
