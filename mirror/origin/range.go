package origin

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/valyala/fasthttp"
)

// FetchRange implements mirror.RangeFetcher, on a connection of its own. Only an
// answer that proves itself to be the part that was asked for is taken: status
// 206, the very range and length in its Content-Range, and no validator but those
// of the version that was meant.
func (c *Client) FetchRange(ctx context.Context, name string, part mirror.Part, use func(obj *mirror.Object) error) error {
	condition := ifRange(&part)
	if condition == "" {
		return fmt.Errorf("%w: nothing to tell its version by", mirror.ErrRange)
	}
	ca := c.begin(ctx)
	defer ca.end()
	if err := ca.err(); err != nil {
		return err
	}
	ca.fields = fmt.Appendf(nil, "Range: bytes=%d-%d\r\nIf-Range: %s\r\n", part.Off, part.Off+part.Len-1, condition)
	answered := false
	var result error
	err := c.single(ca, string(c.appendTarget(nil, name)), 0, func(cn *conn) (end error) {
		answered = true
		result, end = c.part(cn, &part, use)
		return end
	})
	if !answered {
		return err
	}
	if result == nil && err != nil {
		return err
	}
	return result
}

// ifRange is the value of an If-Range that names the version: its ETag, or its
// date where that is weak or missing (RFC 9110 section 13.1.5); empty where it has
// neither.
func ifRange(part *mirror.Part) string {
	switch {
	case strings.HasPrefix(part.ETag, `"`):
		return part.ETag
	case part.ModTime != 0:
		return time.Unix(part.ModTime, 0).UTC().Format(http.TimeFormat)
	}
	return ""
}

// part hands the answer at hand to use if it is the part. end is the
// connection's end.
func (c *Client) part(cn *conn, part *mirror.Part, use func(obj *mirror.Object) error) (result, end error) {
	switch cn.head.status {
	case http.StatusPartialContent:
	case http.StatusOK:
		// The whole file, which is not wanted here.
		return fmt.Errorf("%w: status 200", mirror.ErrRange), cn.endAnswer(false)
	case http.StatusRequestedRangeNotSatisfiable:
		return fmt.Errorf("%w: status 416", mirror.ErrRange), cn.drain()
	default:
		return c.refusal(cn), cn.drain()
	}
	if why := cn.notPart(part); why != "" {
		return fmt.Errorf("%w: status 206 with %s", mirror.ErrRange, why), cn.endAnswer(false)
	}
	b := cn.body(part.Len)
	result = use(&mirror.Object{Stream: &b, Size: part.Len, ModTime: part.ModTime, ETag: []byte(part.ETag)})
	whole := b.whole()
	b.err = errStale
	return result, cn.endAnswer(whole)
}

// notPart says why the 206 at hand is not the part, empty if it is.
func (cn *conn) notPart(part *mirror.Part) string {
	h := &cn.buf.parsed
	want := "bytes " + strconv.FormatInt(part.Off, 10) + "-" + strconv.FormatInt(part.Off+part.Len-1, 10) +
		"/" + strconv.FormatInt(part.Size, 10)
	if got := string(h.Peek(fasthttp.HeaderContentRange)); got != want {
		return fmt.Sprintf("Content-Range %q", clip(got))
	}
	if cn.head.length != part.Len {
		return fmt.Sprintf("length %d for %d bytes", cn.head.length, part.Len)
	}
	if e := cn.encoding(); len(e) > 0 {
		return fmt.Sprintf("content-encoding %.40q", e)
	}
	if tag := h.Peek(fasthttp.HeaderETag); len(tag) > 0 && string(tag) != part.ETag {
		return fmt.Sprintf("ETag %q", clip(string(tag)))
	}
	if t := cn.modTime(); t != 0 && t != part.ModTime {
		return fmt.Sprintf("Last-Modified %d", t)
	}
	return ""
}
