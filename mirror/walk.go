package mirror

import (
	"context"
	"errors"
	"fmt"

	"github.com/motefs/motefs/cache"
)

// ErrMarker says that the origin does not take the marker from which it was to be listed on.
var ErrMarker = errors.New("the origin does not take the marker at which the listing stopped")

// WalkedPage is a page of the listing, with its marker. It is valid until the function that it
// was handed to returns.
type WalkedPage struct {
	Page
	Marker string
}

// Walk lists the origin from a marker on, to the end, and hands each page to take, in their
// order; the next ones are asked for meanwhile, within pageBudget. It stores nothing, and is for who
// does so otherwise than Run. Its error is that of take, ctx's, ErrMarker where the origin
// refuses the first marker and lists well from the beginning, or those of Run that are
// about the listing.
func (e *Engine) Walk(ctx context.Context, marker string, take func(WalkedPage) error) error {
	if !e.begin() {
		return ErrClosed
	}
	defer e.wg.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(e.ctx, func() { cancel(ErrClosed) })()
	if limit := e.opts.Outage; limit >= 0 {
		e.wg.Go(func() { e.watch(ctx, limit, cancel) })
	}

	pages := make(chan listed, pagesAhead)
	walked := make(chan error, 1)
	e.wg.Go(func() {
		defer close(pages)
		walked <- e.guard(func() error { return e.walk(ctx, marker, pages) })
	})
	var err error
	for p := range pages {
		if err == nil {
			err = e.guard(func() error { return take(WalkedPage{p.Page, p.marker}) })
			if err != nil {
				cancel(err)
			}
		}
		p.release()
	}
	if walkErr := <-walked; err == nil {
		err = walkErr
	}
	return err
}

func (e *Engine) walk(ctx context.Context, marker string, pages chan<- listed) error {
	page, err := e.list(ctx, marker)
	if err != nil && marker != "" && ctx.Err() == nil && refused(err) {
		if _, again := e.list(ctx, ""); again == nil {
			return fmt.Errorf("%w: %w", ErrMarker, err)
		}
	}
	if err != nil {
		return err
	}
	return e.pagesFrom(ctx, listed{Page: page, marker: marker}, pages, func(marker string) (Page, *cache.PageTag, error) {
		page, err := e.nextPage(ctx, marker)
		return page, nil, err
	})
}
