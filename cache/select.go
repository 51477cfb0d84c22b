package cache

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2"
)

// Ask returns a page of one, loaded: the file called name in the directory
// parent, for a reader who wants it now. It must be closed. The error is
// ErrNotFound where no origin's name has that path, or where the listing is
// complete without it.
func (s *Store) Ask(parent Inode, name string) (*Page, error) {
	path, err := s.path(parent)
	if err != nil {
		return nil, err
	}
	path = append(path, name)
	origin, err := JoinName(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	p := &Page{s: s, fresh: true, careful: true, event: onAsked, slots: []slot{{origin: origin, name: name, parent: parent, size: -1}}}
	if p.held, err = s.hold(); err != nil {
		return nil, err
	}
	p.number(p.held)
	// Asked between the two: what the listing's last page brings is found, and
	// what is not listed is held before the listing is complete; see Changes.
	complete := s.ListingComplete()
	if err := p.Load(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	if complete && !p.Listed() {
		return nil, errors.Join(fmt.Errorf("%w: %q is not listed", ErrNotFound, name), p.Close())
	}
	if !p.Listed() && !canonical(path[len(path)-1:]) {
		return nil, errors.Join(fmt.Errorf("%w: %q is not how a name is shown", ErrNotFound, name), p.Close())
	}
	if p.Listed() { // it has a number already
		err = s.release(p.held)
		p.held = 0
	}
	return p, err
}

// Listed reports whether the file of a page from Ask has an entry.
func (p *Page) Listed() bool { return p.slots[0].known || !p.fresh }

// Pending returns a page of at most that many files that were listed and not fetched,
// with numbers from from on and below limit, and the number from which to go on,
// which is limit once there are no more. The page is nil where none was met on
// the way. Files that stand in damage are left out; see Damaged.
func (s *Store) Pending(from, limit Inode, most int) (page *Page, next Inode, err error) {
	if s.scratch != nil && from < s.scratch.counts.End {
		return s.scratch.files.pending(s, from, limit, most)
	}
	return s.gather(from, limit, most, func(Inode) (bool, error) { return true, nil }, func(e *Entry) bool { return e.State == Pending })
}

// gatherer makes a page of files whose numbers look likely and whose entries are
// wanted; without want, no entry is looked at.
type gatherer struct {
	s           *Store
	page        *Page
	from, limit Inode
	most        int // files of the page
	likely      func(Inode) (bool, error)
	want        func(*Entry) bool
	entries     cursor
	dir         originDir
}

// originDir is a directory, and what the origin's names of its files begin with. Those of
// a page mostly stand in the same.
type originDir struct {
	dir    Inode
	prefix string
}

// name is Store.OriginName for a file of a directory that is mostly that of the one before.
func (d *originDir) name(s *Store, parent Inode, name []byte) (string, error) {
	if bytes.HasPrefix(name, []byte(escapePrefix)) {
		return s.OriginName(parent, string(name))
	}
	if d.dir != parent {
		origin, err := s.OriginName(parent, string(name))
		if err != nil {
			return "", err
		}
		d.dir, d.prefix = parent, strings.Clone(origin[:len(origin)-len(name)])
		return origin, nil
	}
	return d.prefix + string(name), nil
}

func (s *Store) gather(from, limit Inode, most int, likely func(Inode) (bool, error), want func(*Entry) bool) (page *Page, next Inode, err error) {
	entries, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyEntry}, UpperBound: []byte{keyEntry + 1}})
	if err != nil {
		return nil, 0, storeError("find files", err)
	}
	g := &gatherer{s: s, page: &Page{s: s, event: onListed, alone: s.scratch != nil}, from: from, limit: limit, most: most, likely: likely, want: want, entries: cursor{it: entries}}
	next, err = g.gather()
	if err = errors.Join(err, entries.Close()); err != nil {
		return nil, 0, err
	}
	if len(g.page.slots) == 0 {
		return nil, next, nil
	}
	return g.page, next, nil
}

func (g *gatherer) gather() (next Inode, err error) {
	scanned := 0
	for r, err := range g.s.eachRun(g.from, g.limit) {
		if g.s.MetDamage(err) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if scanned >= pendingScan {
			return r.first, nil
		}
		scanned += r.n
		if r.kind == Dir || r.first+Inode(r.n) <= g.from {
			continue
		}
		if next, err := g.run(r); err != nil && !g.s.MetDamage(err) || next > 0 {
			return next, err
		}
	}
	return g.limit, nil
}

// pendingScan is how many names Pending looks at before it stops at a run's end, so that
// a billion files that are all here do not make one call of minutes.
const pendingScan = 64 << 10

// run gathers files of a run. Where the page is full before its end, full is the number
// from which to go on, else 0.
func (g *gatherer) run(r *cachedRun) (full Inode, err error) {
	skip := 0
	if g.from > r.first {
		skip = int(g.from - r.first)
	}
	var inner error
	err = r.each(skip, func(k int, name []byte) bool {
		ino := r.first + Inode(k)
		if ino >= g.limit {
			return false
		}
		if len(g.page.slots) == g.most {
			full = ino
			return false
		}
		likely, err := g.likely(ino)
		if err != nil || !likely {
			inner = err
			return err == nil
		}
		if g.want == nil {
			inner = g.add(r.parent, name, &Entry{Inode: ino, State: Inline})
			return inner == nil
		}
		raw, e, err := g.entries.entry(r.parent, string(name))
		switch {
		case g.s.MetDamage(err):
		case err != nil:
			inner = err
		case raw != nil && e.Inode == ino && g.want(&e):
			inner = g.add(r.parent, name, &e)
		}
		return inner == nil
	})
	return full, errors.Join(inner, err)
}

func (g *gatherer) add(parent Inode, shown []byte, e *Entry) error {
	origin, err := g.dir.name(g.s, parent, shown)
	if err != nil {
		return err
	}
	var name string
	if strings.HasSuffix(origin, string(shown)) { // which it mostly does
		name = origin[len(origin)-len(shown):]
	} else {
		name = string(shown)
	}
	failed := false
	if e.State == Pending {
		failed, err = g.s.hasFailed(e.Inode)
	}
	if err != nil {
		return err
	}
	g.page.slots = append(g.page.slots, slot{origin: origin, name: name, parent: parent, inode: e.Inode, size: -1, hadFailed: failed, promise: promiseOf(e)})
	return nil
}
