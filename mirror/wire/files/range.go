package files

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire"
)

// FetchRange implements mirror.RangeFetcher, which asks once. Only an
// answer that proves itself to be the part that was asked for is taken: status
// 206, the very range and length in its Content-Range, and no validator but those
// of the version that was meant.
func (g *Getter) FetchRange(ctx context.Context, name string, part mirror.Part, use func(obj *mirror.Object) error) error {
	condition := ifRange(&part)
	if condition == "" {
		return fmt.Errorf("%w: nothing to tell its version by", mirror.ErrRange)
	}
	fields := fmt.Appendf(nil, "Range: bytes=%d-%d\r\nIf-Range: %s\r\n", part.Off, part.Off+part.Len-1, condition)
	// The response names the part and its version, but not the file; and servers
	// make ETags of a file's length and date, which many may share. So it has to be
	// the first of its connection.
	for tried := false; ; tried = true {
		target := string(g.Target(nil, name))
		err := g.Client().One(ctx, wire.Get, target, fields, true, func(r *wire.Response) error {
			return takePart(r, &part, use)
		})
		refusal, ok := errors.AsType[*mirror.StatusError](err)
		if !ok || tried || !g.explains(refusal) {
			return err
		}
		if again, why := g.Explain(ctx, target, refusal); !again {
			return cmp.Or(why, err)
		}
	}
}

// ifRange is the value of an If-Range that names the version: its ETag, or its
// date where that is weak or missing (RFC 9110 section 13.1.5); empty where it has
// neither.
func ifRange(part *mirror.Part) string {
	switch {
	case strings.HasPrefix(part.ETag, `"`) && ValidETag(part.ETag):
		return part.ETag
	case part.ModTime != 0:
		return time.Unix(part.ModTime, 0).UTC().Format(http.TimeFormat)
	}
	return ""
}

// takePart hands the response to use if it is the part.
func takePart(r *wire.Response, part *mirror.Part, use func(obj *mirror.Object) error) error {
	switch r.Status() {
	case http.StatusPartialContent:
	case http.StatusOK:
		// The whole file, which is not wanted here.
		return fmt.Errorf("%w: status 200", mirror.ErrRange)
	case http.StatusRequestedRangeNotSatisfiable:
		return fmt.Errorf("%w: status 416", mirror.ErrRange)
	default:
		return r.Err()
	}
	if why := notPart(r, part); why != "" {
		return fmt.Errorf("%w: status 206 with %s", mirror.ErrRange, why)
	}
	return use(&mirror.Object{Stream: r, Size: part.Len, ModTime: part.ModTime, ETag: []byte(part.ETag)})
}

// notPart says why the 206 at hand is not the part, empty if it is.
func notPart(r *wire.Response, part *mirror.Part) string {
	want := "bytes " + strconv.FormatInt(part.Off, 10) + "-" + strconv.FormatInt(part.Off+part.Len-1, 10) +
		"/" + strconv.FormatInt(part.Size, 10)
	if got := string(r.Field("content-range")); got != want {
		return fmt.Sprintf("Content-Range %q", wire.Clip(got))
	}
	if r.Length() != part.Len {
		return fmt.Sprintf("length %d for %d bytes", r.Length(), part.Len)
	}
	if e := r.Encoding(); len(e) > 0 {
		return fmt.Sprintf("content-encoding %.40q", e)
	}
	if tag := r.ETag(); len(tag) > 0 && string(tag) != part.ETag {
		return fmt.Sprintf("ETag %q", wire.Clip(string(tag)))
	}
	if t := r.ModTime(); t != 0 && t != part.ModTime {
		return fmt.Sprintf("Last-Modified %d", t)
	}
	return ""
}
