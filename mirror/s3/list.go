package s3

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
	// maxKeys is how many keys a page has at most.
	maxKeys = "1000"
	// maxPageBytes is the length above which a page is refused: ten times a thousand
	// keys of 1,024 bytes that are all percent-encoded.
	maxPageBytes = 32 << 20
)

// List implements mirror.Lister. Pages that are asked for in the order of their markers
// come from several ranges at a time.
func (c *Client) List(ctx context.Context, marker string) (mirror.Page, error) {
	p, err := c.walks.list(ctx, c, marker)
	if err != nil {
		if marker == "" {
			return mirror.Page{}, fmt.Errorf("first page: %w", err)
		}
		return mirror.Page{}, fmt.Errorf("page at marker %q: %w", wire.Clip(marker), err)
	}
	return p, nil
}

// handOut is a page of our own as the engine takes it; next is where the one behind it
// begins.
func (c *Client) handOut(p *page, next place) mirror.Page {
	objects := p.objects
	decode := func(dst []mirror.Listed, most int, skip func(string, error)) ([]mirror.Listed, bool, error) {
		for _, odd := range p.odd {
			skip(odd.key, odd.why)
		}
		p.odd = nil
		n := min(most, len(objects))
		dst = append(dst, objects[:n]...)
		if objects = objects[n:]; len(objects) == 0 && p.objects != nil {
			c.recycle(p)
			return dst, false, nil
		}
		return dst, len(objects) > 0, nil
	}
	return mirror.Page{Next: next.marker(), Size: p.size, Decode: decode}
}

// recycle keeps the memory of a page that nobody looks at any more.
func (c *Client) recycle(p *page) {
	clear(p.objects)
	spent := p.objects[:0]
	p.objects = nil
	if cap(spent) <= maxPooled {
		c.objects.Put(&spent)
	}
}

// maxPooled and maxPooledRaw keep an odd huge page from staying for ever, in objects and in
// bytes.
const maxPooled, maxPooledRaw = 4096, 2 << 20

var (
	// errLate is a page that may be a late response to another request.
	errLate = errors.New("page of another request")
	// errIgnored is a page that begins before the key that it was to begin behind.
	errIgnored = errors.New("the server ignores StartAfter")
	// errToken is a token that is refused.
	errToken = errors.New("the token is refused")
)

// page asks for the page at a place. A token that is refused has it be asked for by its
// key.
func (c *Client) page(ctx context.Context, at place) (*page, error) {
	p, err := c.ask(ctx, at)
	refusal, refused := errors.AsType[*Refusal](err)
	if refused && at.token != "" && refusal.status.Code == http.StatusBadRequest && ctx.Err() == nil {
		if c.unordered.Load() || c.onlyTokens.Load() { // where no key says where to go on
			return nil, fmt.Errorf("%w, and the server does not list in the order of its keys: %w", errToken, err)
		}
		at.token = ""
		p, err = c.ask(ctx, at)
	}
	switch {
	case err != nil:
		return nil, err
	case at.token == "" && at.after != "" && p.keys > 0 && p.first <= at.after:
		return nil, errIgnored
	case p.keys == 0 && p.token != "" && p.token == at.token:
		return nil, fmt.Errorf("%w: an empty page leads to itself", mirror.ErrListing)
	}
	return p, nil
}

// ask asks for a page, and again where a refusal could be mended.
func (c *Client) ask(ctx context.Context, at place) (*page, error) {
	for range maxMends {
		if err := c.credentials(ctx); err != nil {
			return nil, err
		}
		before, fresh := c.state(), c.silent.Load()
		p, err := c.askOnce(ctx, at, fresh)
		if errors.Is(err, errLate) {
			p, err = c.askOnce(ctx, at, true)
		}
		refusal, ok := errors.AsType[*Refusal](err)
		if !ok {
			return p, err
		}
		if again, mending := c.mendSince(ctx, before, refusal); mending != nil || !again {
			return nil, errors.Join(mending, err)
		}
	}
	return nil, fmt.Errorf("%w: the server finds another fault with each request", mirror.ErrListing)
}

// maxMends is how often one page is asked for: a clock, keys, a region, and once more.
const maxMends = 4

func (c *Client) askOnce(ctx context.Context, at place, fresh bool) (p *page, err error) {
	e := c.at.Load()
	err = e.One(ctx, wire.List, c.listTarget(e, at), nil, fresh, func(r *wire.Response) error {
		reused := r.Reused()
		if p, err = c.takePage(r); err != nil {
			if reused && !mirror.Temporary(err) {
				r.End() // all that follows may be late too
				return errLate
			}
			return err
		}
		if c.answers(p, at) {
			return nil
		}
		if reused {
			r.End()
			return errLate
		}
		c.silent.Store(true) // it does not say, or in its own way
		return nil
	})
	return p, err
}

// answers reports whether a page says that it is the one at a place.
func (c *Client) answers(p *page, at place) bool {
	switch {
	case at == place{}:
		return p.of == echo{}
	case at.token != "":
		return p.of.token == at.token
	}
	after := c.o.Prefix + at.after
	return p.of.token == "" && (p.of.after == after || p.of.raw == after) // some do not encode it
}

// listTarget is the target of the request for a page. Its query is canonical.
func (c *Client) listTarget(e *endpoint, at place) string {
	dst := append([]byte(e.path), '?')
	if e.path == "" {
		dst = []byte("/?")
	}
	if at.token != "" {
		dst = files.AppendQuery(append(dst, "continuation-token="...), at.token)
		dst = append(dst, '&')
	}
	dst = append(dst, "encoding-type=url&list-type=2&max-keys="+maxKeys...)
	if c.o.Prefix != "" {
		dst = files.AppendQuery(append(dst, "&prefix="...), c.o.Prefix)
	}
	if at.token == "" && at.after != "" {
		dst = files.AppendQuery(append(dst, "&start-after="...), c.o.Prefix+at.after)
	}
	return string(dst)
}

// takePage reads a response.
func (c *Client) takePage(r *wire.Response) (*page, error) {
	switch {
	case r.Status() != http.StatusOK:
		return nil, refusalFrom(r)
	case len(r.Encoding()) > 0:
		return nil, fmt.Errorf("%w: %w: content-encoding %.40q", mirror.ErrListing, wire.ErrEncoding, r.Encoding())
	}
	var b []byte
	if spent, ok := c.raw.Get().(*[]byte); ok {
		b = *spent
	}
	b, err := r.Whole(b, maxPageBytes)
	switch {
	case errors.Is(err, mirror.ErrTooLarge):
		return nil, fmt.Errorf("%w: %w: page over %d bytes", mirror.ErrListing, err, maxPageBytes)
	case err != nil:
		return nil, err
	case cap(b) <= maxPooledRaw:
		defer c.raw.Put(&b)
	}
	var objects []mirror.Listed
	if spent, ok := c.objects.Get().(*[]mirror.Listed); ok {
		objects = *spent
	}
	p, err := decodePage(b, c.o.Prefix, objects)
	if err != nil && len(b) == 0 {
		err = fmt.Errorf("%w: an empty answer", mirror.ErrListing)
	}
	return p, err
}
