package mirror

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/motefs/motefs/cache"
)

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
	unmarked     int // batches since one that had the end of a page
	warned       bool
}

// marksAfter is after how many batches the names that wait are sent off where a page ends,
// however few they are. While pages come faster than their files the end of a page is
// hardly ever that of a batch too, and the checkpoint would not move.
const marksAfter = 64

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
		c.r.e.counts.listed.Add(int64(page.same.Names))
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
			return fmt.Errorf("page at marker %q: %w", brief(page.marker), err)
		}
		c.r.e.counts.listed.Add(int64(len(c.piece)))
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
	if c.full() || c.mark.ListingComplete || c.unmarked >= marksAfter {
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
	if uint64(len(rest)) < n/2 { // what is left shall not keep the memory of all
		for i := range rest {
			rest[i].Origin, rest[i].ETag = strings.Clone(rest[i].Origin), strings.Clone(rest[i].ETag)
		}
	}
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
	return min(max(c.most()-len(c.names), 1), batchSize)
}

// most is how many names wait for each other. Those of a listing in no order do so as
// long as there is enough else to do (see next), so that they can be sorted.
func (c *cutter) most() int {
	if c.sorts {
		return cache.SortMost
	}
	return c.share()
}

// share is how many names a batch has. Where nothing is fetched they only have to be stored.
func (c *cutter) share() int {
	if !c.r.e.opts.Prefetch {
		return batchSize
	}
	return c.r.share.get()
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
		n, bytes, most := 0, 0, c.share()
		for n < min(len(rest), most) && bytes < batchBytes {
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
	if !c.r.o.DryRun {
		if err := c.r.room(ctx, nil); err != nil { // it makes directories
			release()
			return err
		}
	}
	if c.unmarked++; mark.Listing {
		c.unmarked = 0
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
