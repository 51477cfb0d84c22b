package mirror

import (
	"context"
	"fmt"
	"slices"

	"github.com/motefs/motefs/cache"
	"golang.org/x/sync/semaphore"
)

// listed is a page of the listing that is not yet decoded.
type listed struct {
	Page
	marker string
	held   *held
}

// pagesAhead bounds the pages that wait to be decoded.
const pagesAhead = 4

// planListing walks the listing from the checkpoint to its end and queues its
// names. One goroutine asks for pages, as fast as markers come; this one decodes
// them and cuts batches.
func (r *run) planListing(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	pages := make(chan listed, pagesAhead)
	walked := make(chan error, 1)
	r.e.wg.Go(func() {
		defer close(pages)
		walked <- r.walk(ctx, pages)
	})
	c := &cutter{r: r}
	err := c.run(ctx, pages)
	cancel(err)
	for p := range pages { // let the walk go that is about to hand one over
		p.held.drop()
	}
	if walkErr := <-walked; err == nil {
		err = walkErr
	}
	return err
}

// walk asks for one page after another.
func (r *run) walk(ctx context.Context, pages chan<- listed) error {
	marker := r.started.Marker
	budget := semaphore.NewWeighted(listBudget)
	var loop loopDetector
	for {
		page, err := r.e.list(ctx, marker)
		if err != nil {
			return err // the lister says which page
		}
		if page.Next != "" && (page.Next == marker || loop.seen(page.Next)) {
			return fmt.Errorf("list page at marker %q: %w: the marker %q comes again, so that the listing has no end", brief(marker), ErrListing, brief(page.Next))
		}
		held, err := hold(ctx, budget, page.Size)
		if err != nil {
			return err
		}
		select {
		case pages <- listed{page, marker, held}:
		case <-ctx.Done():
			held.drop()
			return context.Cause(ctx)
		}
		if page.Next == "" {
			return nil
		}
		marker = page.Next
	}
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

// cutter turns pages, long or short, into batches.
type cutter struct {
	r       *run
	planner *cache.Planner
	decoded []Listed
	names   []cache.Name
	holds   []*held
	mark    cache.Mark // after the names that are waiting
	warned  bool
}

func (c *cutter) run(ctx context.Context, pages <-chan listed) (err error) {
	if c.planner, err = c.r.e.store.NewPlanner(); err != nil {
		return err
	}
	c.planner.Skip = c.skipped
	defer func() { c.drop(0) }()
	for {
		page, more, err := c.next(ctx, pages)
		switch {
		case err != nil:
			return err
		case !more:
			return c.cut(ctx, len(c.names))
		}
		if err := c.add(ctx, page); err != nil {
			return err
		}
	}
}

// next returns the next page; where none is ready, it first sends off the names
// that wait for more to join them.
func (c *cutter) next(ctx context.Context, pages <-chan listed) (p listed, more bool, err error) {
	select {
	case p, more = <-pages:
		return p, more, nil
	default:
	}
	if len(c.r.queue) == 0 {
		if err := c.cut(ctx, len(c.names)); err != nil {
			return listed{}, false, err
		}
	}
	select {
	case p, more = <-pages:
		return p, more, nil
	case <-ctx.Done():
		return listed{}, false, context.Cause(ctx)
	}
}

func (c *cutter) add(ctx context.Context, page listed) (err error) {
	c.holds = append(c.holds, page.held)
	if c.decoded, err = page.Decode(c.decoded[:0]); err != nil {
		return fmt.Errorf("list page at marker %q: %w", brief(page.marker), err)
	}
	c.mark = cache.Mark{}
	for i := range c.decoded {
		c.names = append(c.names, cache.Name{Origin: c.decoded[i].Name, Size: c.decoded[i].Size})
	}
	for len(c.names) > batchSize {
		if err := c.cut(ctx, batchSize); err != nil {
			return err
		}
	}
	c.mark = cache.Mark{Listing: true, Marker: page.Next, ListingComplete: page.Next == ""}
	if len(c.names) == batchSize || c.mark.ListingComplete {
		return c.cut(ctx, len(c.names))
	}
	return nil
}

// cut queues the first n of the waiting names as a batch.
func (c *cutter) cut(ctx context.Context, n int) error {
	if n == 0 && !c.mark.Listing {
		return nil
	}
	page, err := c.planner.Plan(c.names[:n])
	if err != nil {
		return err
	}
	b := &batch{page: page}
	if n == len(c.names) {
		b.mark = c.mark
		c.mark = cache.Mark{}
	}
	b.mark.Settled = page.End()
	if b.mark.Listing {
		b.mark.Listed = page.End()
	}
	b.release = c.share()
	c.names = c.names[:copy(c.names, c.names[n:])]
	keep := 0
	if len(c.names) > 0 {
		keep = 1 // what is left is of the last page
	}
	c.drop(keep)
	return c.r.enqueue(ctx, b)
}

// share makes the next batch hold the pages that its names are of.
func (c *cutter) share() (release func()) {
	holds := slices.Clone(c.holds)
	for _, h := range holds {
		h.take()
	}
	return func() {
		for _, h := range holds {
			h.drop()
		}
	}
}

// drop lets go of all pages but the last keep.
func (c *cutter) drop(keep int) {
	n := len(c.holds) - keep
	for _, h := range c.holds[:n] {
		h.drop()
	}
	c.holds = slices.Delete(c.holds, 0, n)
}

func (c *cutter) skipped(name string, err error) {
	if c.warned {
		return
	}
	c.warned = true
	c.r.e.opts.Log.Warn().Err(err).Str("name", brief(name)).
		Msg("a name that no path can stand for is left out; further ones are only counted")
}
