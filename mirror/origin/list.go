package origin

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/motefs/motefs/mirror"
)

const (
	// maxMarker bounds a marker, which goes into a request line.
	maxMarker = 64 << 10
	// pageStart is what a page's buffer has at first. A declared length is
	// believed only as far as bytes come.
	pageStart = 1 << 20
	// maxPooledPage keeps an odd huge page from staying for ever.
	maxPooledPage = 8 << 20
)

// List implements mirror.Lister.
func (c *Client) List(ctx context.Context, marker string) (mirror.Page, error) {
	page, err := c.list(ctx, marker)
	if err != nil {
		return mirror.Page{}, fmt.Errorf("list page %q: %w", clip(marker), err)
	}
	return page, nil
}

func (c *Client) list(ctx context.Context, marker string) (page mirror.Page, err error) {
	if len(marker) > maxMarker {
		return page, listingError("marker of %d bytes", len(marker))
	}
	ca := c.begin(ctx)
	defer ca.end()
	if err := ca.err(); err != nil {
		return page, err
	}
	target := append([]byte(c.base.path), "/list"...)
	if marker != "" {
		target = appendMarker(append(target, "?next-marker="...), marker)
	}
	var result error // of an answer that came, as opposed to the connection's
	err = c.single(ca, string(target), 0, func(cn *conn) error {
		if cn.head.status != 200 {
			result = c.refusal(cn)
			return cn.drain()
		}
		if e := cn.encoding(); len(e) > 0 {
			result = listingError("%w: content-encoding %.40q", ErrEncoding, e)
			return cn.drain()
		}
		raw, err := c.readPage(cn)
		if err != nil && !errors.Is(err, errEnd) {
			return err
		}
		page, result = c.newPage(raw, string(cn.buf.parsed.ContentType()))
		return err
	})
	if err == nil {
		err = result
	}
	return page, err
}

// readPage reads a body whole. Its error is errEnd, with the page, where the
// connection ends with it.
func (c *Client) readPage(cn *conn) ([]byte, error) {
	tooLong := listingError("%w: page over %d bytes", mirror.ErrTooLarge, c.o.MaxPageBytes)
	if cn.head.length > c.o.MaxPageBytes {
		return nil, tooLong
	}
	var raw []byte
	if p, ok := c.pages.Get().(*[]byte); ok {
		raw = (*p)[:0]
	}
	if cn.head.length > int64(cap(raw)) {
		// One byte more, so that the end is seen without growing.
		raw = make([]byte, 0, min(cn.head.length, pageStart)+1)
	}
	b := cn.body(c.o.MaxPageBytes)
	raw, err := readUpTo(raw, &b, int(c.o.MaxPageBytes)+1)
	switch {
	case errors.Is(err, io.EOF):
		return raw, cn.endAnswer(true)
	case err == nil || errors.Is(err, mirror.ErrTooLarge):
		return nil, tooLong
	default:
		return nil, err
	}
}

// newPage skims a page and leaves its names for later.
func (c *Client) newPage(raw []byte, contentType string) (mirror.Page, error) {
	s := skimmer{b: raw}
	if err := s.page(); err != nil {
		return mirror.Page{}, fmt.Errorf("%w (content type %.60q, page begins %.60q)", err, contentType, raw)
	}
	if len(s.next) > maxMarker {
		return mirror.Page{}, listingError("next marker of %d bytes", len(s.next))
	}
	d := s.decoder()
	decode := func(dst []mirror.Listed, most int, skip func(string, error)) ([]mirror.Listed, bool, error) {
		dst, err := d.next(dst, most, skip)
		if err != nil {
			return dst, false, err
		}
		if d.left == 0 && raw != nil {
			if cap(raw) <= maxPooledPage {
				spent := raw
				c.pages.Put(&spent)
			}
			raw, d = nil, &nameDecoder{}
		}
		return dst, d.left > 0, nil
	}
	return mirror.Page{Next: s.next, Size: cap(raw), Decode: decode}, nil
}
