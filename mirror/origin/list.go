package origin

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire"
	"github.com/motefs/motefs/mirror/wire/files"
)

const (
	// maxMarker bounds a marker, which goes into a request line.
	maxMarker = 64 << 10
	// maxPooledPage keeps an odd huge page from staying for ever.
	maxPooledPage = 8 << 20
)

// List implements mirror.Lister.
func (c *Client) List(ctx context.Context, marker string) (mirror.Page, error) {
	return c.ListIf(ctx, marker, "")
}

// ListIf implements mirror.ConditionalLister.
func (c *Client) ListIf(ctx context.Context, marker, etag string) (mirror.Page, error) {
	said, ours := c.layout.untagged(marker)
	if !ours {
		return mirror.Page{}, listingError("the marker %q is of another kind of listing", wire.Clip(marker))
	}
	if etag, ours = c.layout.untagged(etag); !ours {
		etag = "" // of another listing's page
	}
	page, err := c.list(ctx, said, etag)
	if err != nil {
		if said == "" {
			return mirror.Page{}, fmt.Errorf("first page: %w", err)
		}
		return mirror.Page{}, fmt.Errorf("page at marker %q: %w", wire.Clip(said), err)
	}
	if page.Next != "" {
		page.Next = c.layout.tag + page.Next
	}
	if page.ETag != "" {
		page.ETag = c.layout.tag + page.ETag
	}
	return page, nil
}

var (
	// errLate is a page, or a word of one, that may be a late response to another
	// request.
	errLate = errors.New("page of another marker")
	// errOther is a 304 that tells of another version than the one asked about.
	errOther = errors.New("304 with another ETag")
)

// list asks for a page. What came on a connection that was used before could be a
// late response to another request: a page that leads back to itself, one that
// came for another marker, what is no page, or a 304 that does not say of which
// version, is asked for again on a connection of its own before it is believed.
//
// A 304 with the page's ETag could be another page's, or a file's, only where these
// have the same ETag. So the page is asked for on a connection of its own at once
// where that ETag was sent for another page lately, or if any file was ever asked for
// with a condition.
func (c *Client) list(ctx context.Context, marker, etag string) (mirror.Page, error) {
	if len(marker) > maxMarker {
		return mirror.Page{}, listingError("marker of %d bytes", len(marker))
	}
	fresh := false
	if !files.ValidETag(etag) {
		etag = ""
	}
	if etag != "" {
		shared := c.recentTags.add([]byte(etag), marker)
		fresh = shared || c.Conditional()
	}
	page, reused, err := c.listOn(ctx, marker, etag, fresh)
	if reused && err != nil && !mirror.Temporary(err) && !errors.Is(err, mirror.ErrNotModified) && ctx.Err() == nil {
		page, _, err = c.listOn(ctx, marker, etag, true)
	}
	if errors.Is(err, errOther) {
		page, _, err = c.listOn(ctx, marker, "", true)
	}
	return page, err
}

func (c *Client) listOn(ctx context.Context, marker, etag string, fresh bool) (page mirror.Page, reused bool, err error) {
	target, err := c.page(marker)
	if err != nil {
		return page, false, err
	}
	end := endOf(target)
	fields := files.AppendCondition(nil, []byte(etag), 0)
	for hops := 0; ; hops++ {
		location, status := "", 0
		err = c.One(ctx, wire.List, target, fields, fresh, func(r *wire.Response) (err error) {
			reused, status = reused || r.Reused(), r.Status()
			if location = r.Location(); location != "" {
				return nil
			}
			page, err = c.takePage(r, &pageRequest{marker: marker, etag: etag, target: target, reused: reused})
			if reused && err != nil && !mirror.Temporary(err) && !errors.Is(err, mirror.ErrNotModified) {
				r.End() // all that follows may be late too
			}
			return err
		})
		if err != nil || location == "" {
			return page, reused, err
		}
		if target, err = c.base.redirect(status, location, target, hops, end, end+"/"); err != nil {
			return page, reused, err
		}
	}
}

// pageRequest is a request for the page at a marker, if it has not that ETag any more,
// and what the response says of itself.
type pageRequest struct {
	marker, etag, target string
	reused               bool   // the response may be another's
	contentType          string // in words
	links                [][]byte
}

// takePage reads the response.
func (c *Client) takePage(r *wire.Response, q *pageRequest) (mirror.Page, error) {
	tag := string(r.ETag())
	switch {
	case r.Status() == http.StatusNotModified && q.etag != "":
		switch {
		case tag != "" && !files.SameETag(tag, q.etag):
			return mirror.Page{}, errOther
		case q.reused && (tag == "" || c.Conditional()):
			return mirror.Page{}, errLate
		}
		return mirror.Page{}, mirror.ErrNotModified
	case r.Status() != http.StatusOK:
		return mirror.Page{}, r.Err()
	case len(r.Encoding()) > 0:
		return mirror.Page{}, listingError("%w: content-encoding %.40q", wire.ErrEncoding, r.Encoding())
	}
	raw, err := c.readPage(r)
	if err != nil {
		return mirror.Page{}, err
	}
	q.contentType = "no content type"
	if of := r.Field("content-type"); len(of) > 0 {
		q.contentType = fmt.Sprintf("content type %.60q", of)
	}
	if c.layout.words != nil {
		q.links = r.Fields("link")
	}
	page, err := c.newPage(raw, q)
	if err != nil {
		return mirror.Page{}, err
	}
	other := c.recent.add(raw, q.marker)
	if q.reused && (other || page.Next != "" && page.Next == q.marker) {
		return mirror.Page{}, errLate
	}
	if files.ValidETag(tag) {
		page.ETag = tag
	}
	return page, nil
}

// readPage reads a page whole.
func (c *Client) readPage(r *wire.Response) ([]byte, error) {
	var raw []byte
	if p, ok := c.pages.Get().(*[]byte); ok {
		raw = *p
	}
	raw, err := r.Whole(raw, c.maxPage)
	if errors.Is(err, mirror.ErrTooLarge) {
		err = listingError("%w: page over %d bytes", err, c.maxPage)
	}
	return raw, err
}

// decoder decodes the names of a page in pieces.
type decoder interface {
	// next appends the next names to dst, at most most of them, but for those that
	// cannot be decoded, which it tells to skip.
	next(dst []mirror.Listed, most int, skip func(name string, err error)) ([]mirror.Listed, error)
	// more is how many are left.
	more() int
}

// newPage skims a page and leaves its names for later.
func (c *Client) newPage(raw []byte, q *pageRequest) (mirror.Page, error) {
	d, next, err := c.skim(raw, q)
	if err != nil {
		return mirror.Page{}, fmt.Errorf("%w (%s, page begins %.60q)", err, q.contentType, raw)
	}
	if len(next) > maxMarker {
		return mirror.Page{}, listingError("next marker of %d bytes", len(next))
	}
	decode := func(dst []mirror.Listed, most int, skip func(string, error)) ([]mirror.Listed, bool, error) {
		dst, err := d.next(dst, most, skip)
		if err != nil {
			return dst, false, err
		}
		if d.more() == 0 && raw != nil {
			if cap(raw) <= maxPooledPage {
				spent := raw
				c.pages.Put(&spent)
			}
			raw, d = nil, &nameDecoder{}
		}
		return dst, d.more() > 0, nil
	}
	return mirror.Page{Next: next, Size: cap(raw), Decode: decode}, nil
}

// skim finds the names of a page, and the marker of the next one.
func (c *Client) skim(raw []byte, q *pageRequest) (decoder, string, error) {
	if c.layout.words == nil {
		s := skimmer{b: raw}
		if err := s.page(); err != nil {
			return nil, "", err
		}
		return s.decoder(), s.next, nil
	}
	s := wordSkimmer{skimmer: skimmer{b: raw}, words: c.layout.words}
	if err := s.page(); err != nil {
		return nil, "", err
	}
	lacks := s.lacks()
	if s.words.names == wholePage {
		link, err := c.nextLink(q)
		if err != nil {
			return nil, "", err
		}
		if s.next = link; link != "" {
			lacks = ""
		}
	}
	if s.next != "" && wholeURL(s.next) {
		if _, err := c.pageAt(s.next); err != nil {
			return nil, "", err
		}
	}
	if q.marker == "" && lacks != "" {
		c.onOnePage(lacks)
	}
	return s.decoder(), s.next, nil
}
