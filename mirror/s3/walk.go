package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/motefs/motefs/mirror"
)

const (
	// walkBudget bounds what is listed and not handed out, in bytes: some 120 pages. A
	// page that is waited for is asked for whatever there is.
	walkBudget = 16 << 20
	// maxRanges bounds the ranges that a walk has at a time.
	maxRanges = 256
	// uselessMost is how many pages may have been asked for in vain before no range is split,
	// beside half of those that were of use: every page costs money somewhere. A page of which
	// another had a part counts for that part.
	uselessMost = 64
	// widenEvery is after how many pages one more is asked for at a time, after the
	// server was too busy.
	widenEvery = 16
)

// walks knows which page is asked for next, and the walk that has it.
type walks struct {
	mu      sync.Mutex
	current *walk
	// next is the marker of the page behind the last one that was asked for by
	// itself, and page that one.
	next string
	page *page
}

// list returns a page: from the walk that it is the next of, else by itself. Who asks for
// two pages in a row begins a walk with the second.
func (ws *walks) list(ctx context.Context, c *Client, marker string) (mirror.Page, error) {
	at, err := parseMarker(marker)
	switch {
	case err != nil:
		return mirror.Page{}, err
	case at.unordered:
		c.noOrder()
	case marker != "" && c.unordered.Load():
		// Keys between the ranges may have been missed.
		return mirror.Page{}, fmt.Errorf("%w: its keys are in no order, so it has to begin again in one sequence", mirror.ErrListing)
	}
	ws.mu.Lock()
	w := ws.current
	switch {
	case marker == "": // also the engine's look whether the server lists
		w = nil
	case c.sequence():
		w.close()
		w, ws.current = nil, nil
	case w != nil && w.expects(marker):
	case marker == ws.next:
		w.close()
		w = newWalk(c, at, ws.page)
		ws.current = w
	default:
		w = nil
	}
	ws.mu.Unlock()
	if w != nil {
		p, err := w.take(ctx, marker)
		if errors.Is(err, errOver) && c.ctx.Err() == nil {
			return ws.list(ctx, c, marker)
		}
		return p, err
	}
	p, err := c.page(ctx, at)
	if err != nil {
		return mirror.Page{}, err
	}
	if p.keys == 0 {
		p.last = at.after
	}
	if !p.inOrder(at) {
		c.noOrder()
	}
	next := place{}
	if p.token != "" {
		next = place{p.last, p.token, c.unordered.Load()}
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.next, ws.page = next.marker(), &page{first: strings.Clone(p.first), last: strings.Clone(p.last)}
	return c.handOut(p, next), nil
}

// inOrder reports whether the keys of the page at a place ascend, and are behind it.
func (p *page) inOrder(at place) bool {
	return p.sorted && (p.keys == 0 || at.after == "" || p.first > at.after)
}

// errOver is a walk that has ended, or gone on, while a page of it was waited for.
var errOver = errors.New("the walk is over")

// sequence reports whether the listing is walked in one sequence.
func (c *Client) sequence() bool {
	return c.o.Listers == 1 || c.unordered.Load() || c.onlyTokens.Load()
}

// noOrder notes that the server lists in another order than that of its keys.
func (c *Client) noOrder() {
	if !c.unordered.Swap(true) && c.o.Listers > 1 {
		c.o.Log.Info().Msg("the server does not list in the order of its keys, so the listing is walked in one sequence")
	}
}

// A walk lists the keys from one place on, in ranges that lie side by side, several at
// a time, and hands out their pages in order. Requests are made as long as there is
// room: first for the range that is handed out, then for those behind it. A range that
// a request is under way for is split where it seems to have many pages more.
type walk struct {
	c      *Client
	ctx    context.Context
	cancel context.CancelFunc
	mu     struct {
		sync.Mutex
		ranges   []*keyRange // in order; the first is handed out
		shape    shape
		stretch  float64       // how much of the key space a page takes, to what it seems
		full     int           // keys of a full page
		useful   int           // keys of all pages that no other had
		useless  int           // what was wanting of them to full pages
		underWay int           // requests
		width    int           // how many there may be
		pages    int           // since the width was changed
		held     int           // bytes of pages
		next     string        // the marker of the page that is handed out next
		failed   error         // nothing more can be handed out
		changed  chan struct{} // closed with the next change
	}
}

// keyRange are the keys behind at, up to to or, where it is endless, all.
type keyRange struct {
	at     place // of the page that is asked for next, or is under way
	gap          // from at.after; lo and hi are a page of this range, or of the one that it was split from
	pages  []*page
	busy   bool // a request is under way
	listed bool // to its end
	// expected is how many pages there seemed to be when its end was set, 0 if that was
	// unknown, and found how many keys have come since.
	expected float64
	found    int
	slack    float64 // by how much the walk's stretch is too large here: 1, or less
	// Of the last request: why it failed, until when the server wants to be left in peace,
	// and whether that was told to who waits, who then waits that out.
	err   error
	until time.Time
	told  bool
}

func newWalk(c *Client, at place, before *page) *walk {
	w := &walk{c: c}
	w.ctx, w.cancel = context.WithCancel(c.ctx)
	w.mu.width, w.mu.next, w.mu.changed, w.mu.stretch = c.o.Listers, at.marker(), make(chan struct{}), 1
	w.mu.ranges = []*keyRange{{at: at, slack: 1, gap: gap{after: at.after, endless: true, lo: before.first, hi: before.last}}}
	w.mu.shape.learnPage(before.first, before.first, before.last)
	return w
}

// close ends a walk; a nil one is none.
func (w *walk) close() {
	if w != nil {
		w.cancel()
	}
}

// expects reports whether the page at marker is the next.
func (w *walk) expects(marker string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mu.next == marker && w.ctx.Err() == nil
}

// take waits for the page at marker, which is errOver where another was handed it.
func (w *walk) take(ctx context.Context, marker string) (mirror.Page, error) {
	w.mu.Lock()
	if head := w.mu.ranges[0]; head.told { // and has been waited out
		head.err, head.told = nil, false
	}
	w.mu.Unlock()
	for {
		w.mu.Lock()
		if w.mu.next != marker {
			w.mu.Unlock()
			return mirror.Page{}, errOver
		}
		p, next, err := w.headLocked()
		w.scheduleLocked()
		changed := w.mu.changed
		w.mu.Unlock()
		switch {
		case err != nil:
			return mirror.Page{}, err
		case p != nil:
			if next == (place{}) {
				w.close()
			}
			return w.c.handOut(p, next), nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return mirror.Page{}, ctx.Err()
		case <-w.ctx.Done():
			if w.c.ctx.Err() != nil {
				return mirror.Page{}, mirror.ErrClosed
			}
			return mirror.Page{}, errOver
		}
	}
}

// headLocked takes the next page, if it is there, and says where the one behind it
// begins: nowhere behind the last. An error is that of the range that is handed out, and
// is told once.
func (w *walk) headLocked() (p *page, next place, err error) {
	if w.mu.failed != nil {
		return nil, place{}, w.mu.failed
	}
	for {
		head := w.mu.ranges[0]
		last := len(w.mu.ranges) == 1
		switch {
		case len(head.pages) > 0:
			p, head.pages = head.pages[0], head.pages[1:]
			w.mu.held -= p.size
			next = place{after: p.last, token: p.token}
			if head.listed && len(head.pages) == 0 {
				next = place{after: head.to}
				if last {
					next = place{}
				}
			}
			w.mu.next = next.marker()
			return p, next, nil
		case head.listed && last:
			return &page{}, place{}, nil
		case head.listed:
			w.mu.ranges = w.mu.ranges[1:]
		default:
			head.told = head.err != nil
			return nil, place{}, head.err
		}
	}
}

// scheduleLocked makes as many requests as there is room for.
func (w *walk) scheduleLocked() {
	for w.mu.failed == nil && w.ctx.Err() == nil && w.mu.underWay < w.mu.width {
		r := w.pickLocked()
		if r == nil {
			return
		}
		at := r.at
		if !w.c.spawn(func() { w.request(r, at) }) {
			return
		}
		r.busy = true
		w.mu.underWay++
	}
}

// pickLocked chooses the range of which a page is asked for next, nil for none.
func (w *walk) pickLocked() *keyRange {
	for i, r := range w.mu.ranges {
		switch {
		case (i > 0 || len(r.pages) > 0) && w.mu.held >= walkBudget:
			return nil
		case r.listed || r.err != nil:
		case !r.busy:
			return r
		case w.mu.held < walkBudget && len(w.mu.ranges) < maxRanges && w.mu.useless <= uselessMost*w.mu.full+w.mu.useful/2 && !w.c.sequence():
			if cut, ok := w.mu.shape.split(r.gap, w.mu.stretch*r.slack); ok {
				right := &keyRange{at: place{after: cut.at}, gap: r.gap, expected: cut.right, slack: r.slack}
				right.after = cut.at
				r.to, r.endless, r.expected, r.found = cut.at, false, cut.left, 0
				w.mu.ranges = slices.Insert(w.mu.ranges, i+1, right)
				return right
			}
		}
	}
	return nil
}

// request asks for a page of a range.
func (w *walk) request(r *keyRange, at place) {
	p, err := w.c.page(w.ctx, at)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.underWay--
	r.busy = false
	switch {
	case w.ctx.Err() != nil:
	case errors.Is(err, errIgnored) && w.joinLocked(r):
		w.c.onlyTokens.Store(true)
	case err != nil:
		r.err = err
		if status, ok := errors.AsType[*mirror.StatusError](err); ok {
			r.until = time.Now().Add(status.RetryAfter)
			if status.Code == http.StatusServiceUnavailable || status.Code == http.StatusTooManyRequests {
				w.mu.width, w.mu.pages = max(1, w.mu.width/2), 0
			}
		}
	case !p.inOrder(at):
		w.c.noOrder()
		w.mu.failed = fmt.Errorf("%w: the keys behind %q are in no order, those before were; it has to begin again in one sequence, which --listers 1 does at once", mirror.ErrListing, at.after)
	default:
		w.cameLocked(r, p)
	}
	w.scheduleLocked()
	close(w.mu.changed)
	w.mu.changed = make(chan struct{})
}

// joinLocked gives what a range has to list back to the one before it.
func (w *walk) joinLocked(r *keyRange) bool {
	i := slices.Index(w.mu.ranges, r)
	if i < 1 || w.mu.ranges[i-1].listed || len(r.pages) > 0 {
		return false
	}
	before := w.mu.ranges[i-1]
	before.to, before.endless = r.to, r.endless
	w.mu.ranges = slices.Delete(w.mu.ranges, i, i+1)
	return true
}

// cameLocked takes a page of a range.
func (w *walk) cameLocked(r *keyRange, p *page) {
	if w.mu.pages++; w.mu.pages >= widenEvery && w.mu.width < w.c.o.Listers {
		w.mu.width, w.mu.pages = w.mu.width+1, 0
	}
	for _, other := range w.mu.ranges[1:] {
		if other.err != nil && time.Now().After(other.until) {
			other.err, other.told = nil, false // it may be better now
		}
	}
	if p.keys > 0 {
		first, last := strings.Clone(p.first), strings.Clone(p.last)
		middle := first
		if n := len(p.objects); n > 0 {
			middle = p.objects[n/2].Name
		}
		w.mu.shape.learnPage(first, middle, last)
		r.lo, r.hi, r.after = first, last, last
		r.at.after = last
	}
	r.at.token = p.token
	if p.token == "" {
		w.endLocked(r)
	}
	kept := p.keys
	if !r.endless && p.last >= r.to {
		r.listed = true
		n := len(p.objects)
		for n > 0 && p.objects[n-1].Name > r.to {
			n--
		}
		kept -= len(p.objects) - n
		clear(p.objects[n:])
		p.objects = p.objects[:n]
	}
	w.mu.full = max(w.mu.full, p.keys)
	r.found += len(p.objects)
	w.stretchLocked(r, p)
	w.mu.useful += kept
	w.mu.useless += w.mu.full - kept
	if len(p.objects)+len(p.odd) > 0 {
		r.pages = append(r.pages, p)
		w.mu.held += p.size
	}
}

// endLocked notes that no key is behind those of a range. Where another one has found
// some all the same, each is to find its own end.
func (w *walk) endLocked(r *keyRange) {
	r.listed = true
	end := r.at.after
	if slices.ContainsFunc(w.mu.ranges, func(other *keyRange) bool { return other.found > 0 && other.at.after > end }) {
		return
	}
	for _, other := range w.mu.ranges {
		switch {
		case other.after >= end:
			other.listed = other.listed || !other.busy
		case other.endless || other.to > end:
			other.to, other.endless = end, false
		}
	}
}
