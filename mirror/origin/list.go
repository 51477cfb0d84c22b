package origin

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire"
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
		return mirror.Page{}, fmt.Errorf("list page %q: %w", wire.Clip(marker), err)
	}
	return page, nil
}

// errLate is a page that may be a late response to another request.
var errLate = errors.New("page of another marker")

// list asks for a page. What came on a connection that was used before could be a
// late response to another request: a page that leads back to itself, one that
// came for another marker, or what is no page, is asked for again on a connection
// of its own before it is believed.
func (c *Client) list(ctx context.Context, marker string) (mirror.Page, error) {
	if len(marker) > maxMarker {
		return mirror.Page{}, listingError("marker of %d bytes", len(marker))
	}
	page, reused, err := c.listOn(ctx, marker, false)
	if reused && err != nil && !mirror.Temporary(err) && ctx.Err() == nil {
		page, _, err = c.listOn(ctx, marker, true)
	}
	return page, err
}

func (c *Client) listOn(ctx context.Context, marker string, fresh bool) (page mirror.Page, reused bool, err error) {
	target := c.base.path + "/list"
	if marker != "" {
		target = string(appendMarker([]byte(target+"?next-marker="), marker))
	}
	for hops := 0; ; hops++ {
		location, status := "", 0
		err = c.One(ctx, target, nil, fresh, func(r *wire.Response) (err error) {
			reused, status = reused || r.Reused(), r.Status()
			defer func() {
				if reused && err != nil && !mirror.Temporary(err) {
					r.End() // all that follows may be late too
				}
			}()
			switch location = r.Location(); {
			case location != "":
				return nil
			case status != 200:
				return r.Err()
			case len(r.Encoding()) > 0:
				return listingError("%w: content-encoding %.40q", wire.ErrEncoding, r.Encoding())
			}
			raw, err := c.readPage(r)
			if err != nil {
				return err
			}
			if page, err = c.newPage(raw, string(r.ContentType())); err != nil {
				return err
			}
			other := c.recent.add(raw, marker)
			if reused && (other || page.Next != "" && page.Next == marker) {
				return errLate
			}
			return nil
		})
		if err != nil || location == "" {
			return page, reused, err
		}
		if target, err = c.redirect(status, location, target, "list"); err != nil {
			return page, reused, err
		}
		if hops == maxHops {
			return page, reused, fmt.Errorf("%w: more than %d in a row, the last to %q", mirror.ErrRedirect, maxHops, withoutSecrets(target))
		}
	}
}

// readPage reads a page whole.
func (c *Client) readPage(r *wire.Response) ([]byte, error) {
	tooLong := listingError("%w: page over %d bytes", mirror.ErrTooLarge, c.maxPage)
	if r.Length() > c.maxPage {
		return nil, tooLong
	}
	var raw []byte
	if p, ok := c.pages.Get().(*[]byte); ok {
		raw = (*p)[:0]
	}
	if r.Length() > int64(cap(raw)) {
		// One byte more, so that the end is seen without growing.
		raw = make([]byte, 0, min(r.Length(), pageStart)+1)
	}
	raw, err := wire.ReadUpTo(raw, r, int(c.maxPage)+1)
	switch {
	case errors.Is(err, io.EOF):
		return raw, nil
	case err == nil:
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
