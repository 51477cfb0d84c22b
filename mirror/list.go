package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/motefs/motefs/cache"
)

// listed is a page of the listing that is not yet decoded.
type listed struct {
	Page
	same    *cache.PageTag // set where the page is what a refresh knows it to be
	marker  string
	release func() // gives back what it holds of the pageBudget
}

// Two budgets, so that nothing ever waits in a circle: a page holds of the first
// until its names are decoded, which needs no other page; a batch holds of the
// second from when it is queued until it is committed, which needs no page.
const (
	// pagesAhead bounds the pages that wait to be decoded, and pageBudget their
	// bytes. A longer page stands alone; one more is being asked for.
	pagesAhead = 16
	pageBudget = 32 << 20
	// nameBudget bounds the names of the batches that are queued or being
	// fetched, in bytes.
	nameBudget = 32 << 20
	// batchBytes is how many bytes of names make a batch, however few names.
	batchBytes = 1 << 20
	// sortBytes is how many bytes of names are sorted together at most.
	sortBytes = 2 << 20
)

// planListing walks the listing from the marker to its end and queues its
// names. One goroutine asks for pages, as fast as markers come; this one decodes
// them and cuts batches.
func (r *run) planListing(ctx context.Context, marker string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	pages := make(chan listed, pagesAhead)
	walked := make(chan error, 1)
	r.e.wg.Go(func() {
		defer close(pages)
		walked <- r.e.guard(func() error { return r.walk(ctx, marker, pages) })
	})
	c := &cutter{r: r, budget: newBudget(nameBudget)}
	err := c.run(ctx, pages)
	cancel(err)
	for p := range pages { // let the walk go that is about to hand one over
		p.release()
	}
	if walkErr := <-walked; err == nil {
		err = walkErr
	}
	return err
}

// walk asks for one page after another.
func (r *run) walk(ctx context.Context, marker string, pages chan<- listed) error {
	page, same, here, err := r.ifChanged(ctx, marker)
	if err == nil && !here {
		page, marker, err = r.firstPage(ctx, marker)
	}
	if err != nil {
		return err // the lister says which page
	}
	return r.e.pagesFrom(ctx, listed{page, same, marker, nil}, pages, func(marker string) (page Page, same *cache.PageTag, err error) {
		page, same, here, err := r.ifChanged(ctx, marker)
		if err == nil && !here {
			page, err = r.e.nextPage(ctx, marker)
		}
		return page, same, err
	})
}

// pagesFrom hands over the page p and all that follow it, as next returns them.
func (e *Engine) pagesFrom(ctx context.Context, p listed, pages chan<- listed, next func(marker string) (Page, *cache.PageTag, error)) (err error) {
	budget := newBudget(pageBudget)
	var loop loopDetector
	for {
		if p.Next != "" && (p.Next == p.marker || loop.seen(p.Next)) {
			return fmt.Errorf("page at marker %q: %w: the marker %q comes again, so that the listing has no end", brief(p.marker), ErrListing, brief(p.Next))
		}
		if p.release, err = budget.acquire(ctx, p.Size); err != nil {
			return err
		}
		select {
		case pages <- p:
		case <-ctx.Done():
			p.release()
			return context.Cause(ctx)
		}
		if p.Next == "" {
			return nil
		}
		p.marker = p.Next
		if p.Page, p.same, err = next(p.marker); err != nil {
			return err
		}
	}
}

// ifChanged asks for a page of which a refresh knows an ETag. same is what it knows, where
// that still holds. Where here is false the page is to be asked for in the usual way: nothing
// is known of it, or something went wrong.
func (r *run) ifChanged(ctx context.Context, marker string) (page Page, same *cache.PageTag, here bool, err error) {
	lister, ok := r.e.opts.Lister.(ConditionalLister)
	if r.refresh == nil || !ok {
		return Page{}, nil, false, nil
	}
	tag, err := r.refresh.PageTag(marker)
	if err != nil || tag == nil {
		return Page{}, nil, false, err
	}
	page, err = lister.ListIf(ctx, marker, tag.ETag)
	switch {
	case errors.Is(err, ErrNotModified):
		page, same = Page{Next: tag.Next}, tag
	case err != nil:
		return Page{}, nil, false, nil // it goes wrong again, if it is no accident
	}
	r.e.health.alive()
	return page, same, true, nil
}

// nextPage asks for a page behind others. What is none then may be a balancer
// that has lost its servers, as long as there are no files either.
func (e *Engine) nextPage(ctx context.Context, marker string) (Page, error) {
	for refusals := 0; ; {
		page, err := e.list(ctx, marker)
		if err == nil || ctx.Err() != nil || errors.Is(err, ErrOutage) || !refused(err) {
			return page, err
		}
		down, gaveUp := e.recovered(ctx, fewFiles, nil, err)
		if refusals++; down {
			refusals = 0
		}
		// An origin that is well may have come to be so since it was asked.
		if gaveUp != nil || refusals > 1 {
			return page, cmp.Or(gaveUp, err)
		}
	}
}

// firstPage asks for the page at the checkpoint. Where the origin does not take
// that marker any more, the listing begins again: once in a Run, as no other
// marker is older than the page that it comes from. The checkpoint stays until the
// first page is here, so that an origin which refuses everything for a while, say
// for a token that has expired, does not cost a listing of a billion names.
func (r *run) firstPage(ctx context.Context, from string) (page Page, marker string, err error) {
	marker = from
	page, err = r.e.list(ctx, marker)
	if err == nil || marker == "" || ctx.Err() != nil || !refused(err) {
		return page, marker, err
	}
	page, again := r.e.list(ctx, "")
	if ctx.Err() != nil {
		return page, "", context.Cause(ctx)
	}
	if again != nil {
		return page, "", err
	}
	r.e.opts.Log.Warn().Err(err).Str("marker", brief(marker)).
		Msg("the origin does not take the marker at which the listing stopped, so it is listed again from the beginning; files that are here are kept")
	if r.refresh != nil {
		return page, "", r.refresh.Restart()
	}
	return page, "", r.e.store.Rewind()
}

// refused reports whether err may be the answer to a marker that is not taken
// any more: an answer, and neither one that may pass nor a page.
func refused(err error) bool {
	return !Temporary(err) && !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrClosed)
}

// brief shortens a marker for a message.
func brief(marker string) string {
	const most = 80
	if len(marker) > most {
		return marker[:most] + "…"
	}
	return marker
}

// loopDetector notices that a sequence of markers goes in circles, with memory
// for one of them (R. P. Brent, "An improved Monte Carlo factorization
// algorithm", 1980): it compares each with one that it keeps, and keeps a new
// one after 1, 2, 4, 8, … steps. A circle is noticed after a few rounds.
type loopDetector struct {
	kept        string
	steps, next uint64
}

func (d *loopDetector) seen(marker string) bool {
	if d.next > 0 && marker == d.kept {
		return true
	}
	if d.steps++; d.steps >= d.next {
		d.kept, d.steps, d.next = marker, 0, max(2*d.next, 1)
	}
	return false
}
