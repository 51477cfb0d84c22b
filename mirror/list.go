package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

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
	budget := newBudget(pageBudget)
	var loop loopDetector
	for {
		if page.Next != "" && (page.Next == marker || loop.seen(page.Next)) {
			return fmt.Errorf("list page at marker %q: %w: the marker %q comes again, so that the listing has no end", brief(marker), ErrListing, brief(page.Next))
		}
		release, err := budget.acquire(ctx, page.Size)
		if err != nil {
			return err
		}
		select {
		case pages <- listed{page, same, marker, release}:
		case <-ctx.Done():
			release()
			return context.Cause(ctx)
		}
		if page.Next == "" {
			return nil
		}
		marker = page.Next
		if page, same, here, err = r.ifChanged(ctx, marker); err == nil && !here {
			page, err = r.nextPage(ctx, marker)
		}
		if err != nil {
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
func (r *run) nextPage(ctx context.Context, marker string) (Page, error) {
	for refusals := 0; ; {
		page, err := r.e.list(ctx, marker)
		if err == nil || ctx.Err() != nil || errors.Is(err, ErrOutage) || !refused(err) {
			return page, err
		}
		down, gaveUp := r.e.health.recovered(ctx, fewFiles, nil, err)
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

// cutter turns pages, long or short, into batches.
type cutter struct {
	r       *run
	planner *cache.Planner
	budget  *budget
	piece   []Listed     // of a page, of at most batchSize names
	names   []cache.Name // that wait for more to join them
	bytes   int          // their length
	mark    cache.Mark   // after them
	last    string       // the name before
	sent    time.Time    // when names were last sent off
	sorts   bool         // the listing is in no order
	skipped uint64       // names that were left out and that no mark has counted
	matched int          // how many of names a refresh has looked at
	listed  uint64       // names that it was given and that no mark has counted
	// total are all that a refresh was given, and found those of them that stood where
	// they stood.
	total, found uint64
	warned       bool
}

func (c *cutter) run(ctx context.Context, pages <-chan listed) (err error) {
	newPlanner := c.r.e.store.NewPlanner
	if c.r.refresh != nil {
		newPlanner = c.r.refresh.NewPlanner
	}
	if c.planner, err = newPlanner(); err != nil {
		return err
	}
	c.planner.Skip = c.skip
	if c.r.e.opts.Prefetch {
		c.planner.LeaveBelow = c.r.started.Next // see planPending and planFailed
	}
	for {
		page, more, err := c.next(ctx, pages)
		switch {
		case err != nil:
			return err
		case !more:
			return c.cut(ctx)
		}
		if err := c.add(ctx, page); err != nil {
			return err
		}
	}
}

// next returns the next page; where none is ready and no batch is queued, it
// first sends off the names that wait for more to join them.
func (c *cutter) next(ctx context.Context, pages <-chan listed) (p listed, more bool, err error) {
	select {
	case p, more = <-pages:
		return p, more, nil
	default:
	}
	// A refresh finds few that are new in each page.
	if len(c.r.queue) == 0 && (c.r.refresh == nil || time.Since(c.sent) >= commitEvery) {
		if err := c.cut(ctx); err != nil {
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

// add decodes the page, a piece for each batch, so that no two batches share the
// memory of their names, but for those that are sorted together.
func (c *cutter) add(ctx context.Context, page listed) (err error) {
	defer page.release()
	c.mark = cache.Mark{}
	if page.same != nil {
		c.listed += page.same.Names
		if err := c.r.refresh.Unchanged(page.same); err != nil {
			return err
		}
	}
	var at place
	if page.ETag != "" && c.r.refresh != nil {
		at = c.place()
	}
	for more := page.same == nil; more; {
		if c.full() {
			if err := c.cut(ctx); err != nil {
				return err
			}
		}
		clear(c.piece)
		if c.piece, more, err = page.Decode(c.piece[:0], c.room(), c.skip); err != nil {
			return fmt.Errorf("list page at marker %q: %w", brief(page.marker), err)
		}
		for i := range c.piece {
			c.names = append(c.names, cache.Name{Origin: c.piece[i].Name, Size: c.piece[i].Size, ModTime: c.piece[i].ModTime, ETag: c.piece[i].ETag})
			c.bytes += len(c.piece[i].Name) + len(c.piece[i].ETag)
			c.sorts = c.sorts || c.piece[i].Name < c.last
			c.last = c.piece[i].Name
		}
		if err := c.match(); err != nil {
			return err
		}
	}
	if at.known {
		if err := c.remember(page, at); err != nil {
			return err
		}
	}
	c.mark = cache.Mark{Listing: true, Marker: page.Next, ListingComplete: page.Next == ""}
	if c.full() || c.mark.ListingComplete {
		return c.cut(ctx)
	}
	return nil
}

// place is where a refresh stands before a page.
type place struct {
	known         bool
	inode         cache.Inode
	listed, found uint64
}

func (c *cutter) place() place {
	return place{c.r.refresh.InOrder() && !c.r.o.DryRun, c.r.refresh.Place(), c.total, c.found}
}

// remember notes which numbers a page has, all of whose names are as they were.
func (c *cutter) remember(page listed, at place) error {
	names := c.total - at.listed
	if c.found-at.found != names || !c.r.refresh.InOrder() {
		return nil
	}
	return c.r.refresh.Remember(page.marker, page.ETag, page.Next, at.inode, names)
}

// match drops the names that a refresh finds as they were.
func (c *cutter) match() (err error) {
	if c.r.refresh == nil {
		return nil
	}
	n := uint64(len(c.names) - c.matched)
	c.listed, c.total = c.listed+n, c.total+n
	rest, err := c.r.refresh.Match(c.names[c.matched:])
	c.found += n - uint64(len(rest))
	c.names = c.names[:c.matched+len(rest)]
	c.matched = len(c.names)
	c.bytes = 0
	for i := range c.names {
		c.bytes += len(c.names[i].Origin) + len(c.names[i].ETag)
	}
	return err
}

// room is how many names of a page are decoded next. Of those that a refresh is given most
// do not stay.
func (c *cutter) room() int {
	if c.r.refresh != nil {
		return batchSize
	}
	return min(c.most()-len(c.names), batchSize)
}

// most is how many names wait for each other. Those of a listing in no order do so as
// long as there is enough else to do (see next), so that they can be sorted.
func (c *cutter) most() int {
	if c.sorts {
		return cache.SortMost
	}
	return batchSize
}

func (c *cutter) full() bool {
	bytes := batchBytes
	if c.sorts {
		bytes = sortBytes
	}
	return len(c.names) >= c.most() || c.bytes >= bytes
}

// cut queues the waiting names as batches.
func (c *cutter) cut(ctx context.Context) error {
	if len(c.names) == 0 && !c.mark.Listing {
		return nil
	}
	c.sent = time.Now()
	names, mark := c.names, c.mark
	c.names, c.bytes, c.matched, c.mark = c.names[:0], 0, 0, cache.Mark{}
	defer func() { clear(names) }()
	if len(names) > batchSize {
		c.planner.Sort(names)
	}
	for rest := names; ; {
		n, bytes := 0, 0
		for n < min(len(rest), batchSize) && bytes < batchBytes {
			bytes += len(rest[n].Origin) + len(rest[n].ETag)
			n++
		}
		part := rest[:n]
		rest = rest[n:]
		if len(rest) == 0 {
			return c.send(ctx, part, bytes, mark)
		}
		if err := c.send(ctx, part, bytes, cache.Mark{}); err != nil {
			return err
		}
	}
}

// send queues a batch.
func (c *cutter) send(ctx context.Context, names []cache.Name, bytes int, mark cache.Mark) error {
	release, err := c.budget.acquire(ctx, bytes)
	if err != nil {
		return err
	}
	if err := c.r.room(ctx, nil); err != nil { // it makes directories
		release()
		return err
	}
	b := &batch{mark: mark, release: release}
	if c.r.refresh != nil {
		b.mark.Place = c.r.refresh.Place()
	}
	if len(names) > 0 {
		b.page, err = c.plan(names)
	}
	if err != nil {
		release()
		c.r.track.add(&batch{}) // which is never finished
		return c.r.around(err)
	}
	if b.page != nil {
		b.mark.Settled = b.page.End()
	}
	if b.mark.Listing {
		b.mark.Listed = b.mark.Settled
		b.mark.Skipped, c.skipped = c.skipped, 0
		b.mark.Names, c.listed = c.listed, 0
	}
	return c.r.enqueue(ctx, b)
}

// plan makes a page of the names, or only counts what it would find; then it is nil.
func (c *cutter) plan(names []cache.Name) (*cache.Page, error) {
	if c.r.o.DryRun {
		return nil, c.r.refresh.Count(names)
	}
	return c.planner.Plan(names)
}

// skip takes note of a name that is left out.
func (c *cutter) skip(name string, err error) {
	c.skipped++
	if c.warned {
		return
	}
	c.warned = true
	c.r.e.opts.Log.Warn().Err(err).Str("name", brief(name)).
		Msg("a name is left out, as no path can stand for it; further ones are only counted")
}
