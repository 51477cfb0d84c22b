package serve

import (
	"bytes"
	"net/http"
	"strconv"

	"github.com/valyala/fasthttp"
)

// condition turns the response to a get into a 304, 206 or 416 where the request
// asks for it.
func (r *Response) condition(h *fasthttp.RequestHeader) {
	if r.unchanged(h) {
		r.notModified()
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

// changed reports whether the request is for another version than the object's: by
// an If-Match or, where there is no such field, an If-Unmodified-Since. S3 takes
// an ETag without its quotes too.
func (r *Response) changed(h *fasthttp.RequestHeader) bool {
	if tags := h.Peek(fasthttp.HeaderIfMatch); len(tags) > 0 {
		return len(r.obj.ETag) == 0 || !matchesETag(tags, r.obj.ETag) && !matchesETag(tags, bytes.Trim(r.obj.ETag, `"`))
	}
	since := h.Peek(fasthttp.HeaderIfUnmodifiedSince)
	if len(since) == 0 || r.obj.ModTime.IsZero() {
		return false
	}
	at, err := http.ParseTime(string(since))
	return err == nil && r.obj.ModTime.Unix() > at.Unix()
}

// notModified makes r a 304, which keeps its validators.
func (r *Response) notModified() {
	r.obj.close()
	r.obj.Body = nil
	r.Status = fasthttp.StatusNotModified
}

// unchanged reports whether the request says that the client has the object: an
// If-None-Match by its ETag or, where there is no such field, an If-Modified-Since
// by its time, RFC 9110 section 13.1.3.
func (r *Response) unchanged(h *fasthttp.RequestHeader) bool {
	if tags := h.Peek(fasthttp.HeaderIfNoneMatch); len(tags) > 0 {
		return len(r.obj.ETag) > 0 && matchesETag(tags, r.obj.ETag)
	}
	since := h.Peek(fasthttp.HeaderIfModifiedSince)
	if len(since) == 0 || r.obj.ModTime.IsZero() {
		return false
	}
	for i := range r.header { // most say what they were told
		if r.header[i].key == fasthttp.HeaderLastModified && bytes.Equal(r.header[i].value, since) {
			return true
		}
	}
	at, err := http.ParseTime(string(since))
	return err == nil && r.obj.ModTime.Unix() <= at.Unix()
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
	if string(bytes.TrimSpace(want)) == "*" {
		return true
	}
	etag = bytes.TrimPrefix(etag, weakMark)
	for len(want) > 0 {
		var one []byte
		if one, want = cutETag(want); bytes.Equal(one, etag) {
			return true
		}
	}
	return false
}

var weakMark = []byte("W/")

// cutETag takes the first ETag from a list, without the mark of a weak one. One in
// quotes may have commas.
func cutETag(list []byte) (one, rest []byte) {
	list = bytes.TrimPrefix(bytes.TrimLeft(list, ", \t"), weakMark)
	end := bytes.IndexByte(list, ',')
	if len(list) > 0 && list[0] == '"' {
		if end = bytes.IndexByte(list[1:], '"'); end >= 0 {
			end += 2
		}
	}
	if end < 0 {
		end = len(list)
	}
	return bytes.TrimRight(list[:end], " \t"), list[end:]
}
