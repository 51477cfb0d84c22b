package cache

import (
	"errors"
	"fmt"

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
	p := &Page{s: s, fresh: true, careful: true, asked: true, slots: []slot{{origin: origin, name: name, parent: parent, size: -1}}}
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
func (p *Page) Listed() bool { return p.slots[0].elsewhere || !p.fresh }

// Pending returns a page of files that were listed and not fetched, with
// numbers from from on and below limit, and the number from which to go on,
// which is limit once there are no more. The page is nil where none was met on
// the way. Files that stand in damage are left out; see Damaged.
func (s *Store) Pending(from, limit Inode) (page *Page, next Inode, err error) {
	runs, err := s.db.NewIter(&pebble.IterOptions{LowerBound: appendRunIndexKey(nil, 0), UpperBound: appendRunIndexKey(nil, limit)})
	if err != nil {
		return nil, 0, storeError("find pending files", err)
	}
	entries, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyEntry}, UpperBound: []byte{keyEntry + 1}})
	if err != nil {
		return nil, 0, errors.Join(storeError("find pending files", err), runs.Close())
	}
	page = &Page{s: s}
	next, err = s.gatherPending(page, runs, &cursor{it: entries}, from, limit)
	if err = errors.Join(err, runs.Close(), entries.Close()); err != nil {
		return nil, 0, err
	}
	if len(page.slots) == 0 {
		page = nil
	}
	return page, next, nil
}

func (s *Store) gatherPending(page *Page, runs *pebble.Iterator, entries *cursor, from, limit Inode) (Inode, error) {
	valid := runs.SeekLT(appendRunIndexKey(nil, from+1))
	if !valid {
		valid = runs.First()
	}
	scanned := 0
	for ; valid; valid = runs.Next() {
		first, _ := splitInodeKey(runs.Key())
		if len(page.slots) >= pendingPage || scanned >= pendingScan {
			return first, nil
		}
		value, err := runs.ValueAndErr()
		if err != nil {
			return 0, storeError("find pending files", err)
		}
		index, err := decodeRunIndex(value)
		var r *cachedRun
		if err == nil {
			r, err = s.loadRun(index.parent, first)
		}
		if s.MetDamage(err) {
			continue
		}
		if err != nil {
			return 0, err
		}
		scanned += r.n
		if r.kind == Dir || first+Inode(r.n) <= from {
			continue
		}
		if err := s.pendingOfRun(page, r, entries, from, limit); err != nil && !s.MetDamage(err) {
			return 0, err
		}
	}
	if err := storeError("find pending files", runs.Error()); err != nil && !s.MetDamage(err) {
		return 0, err
	}
	return limit, nil
}

const (
	// pendingPage is how many files Pending gathers before it stops at a run's
	// end.
	pendingPage = 1000
	// pendingScan is how many names it looks at before it stops there, so that
	// a billion files that are all here do not make one call of minutes.
	pendingScan = 64 << 10
)

func (s *Store) pendingOfRun(page *Page, r *cachedRun, entries *cursor, from, limit Inode) error {
	skip := 0
	if from > r.first {
		skip = int(from - r.first)
	}
	var inner error
	err := r.each(skip, func(k int, name []byte) bool {
		if r.first+Inode(k) >= limit {
			return false
		}
		value, ok, err := entries.find(r.parent, string(name))
		var e Entry
		if err == nil && ok {
			e, err = decodeEntry(value)
		}
		if err != nil || !ok {
			if !s.MetDamage(err) {
				inner = err
			}
			return inner == nil
		}
		if e.State == Pending && e.Inode == r.first+Inode(k) {
			inner = s.addPending(page, r.parent, string(name), &e)
		}
		return inner == nil
	})
	return errors.Join(inner, err)
}

func (s *Store) addPending(page *Page, parent Inode, name string, e *Entry) error {
	origin, err := s.OriginName(parent, name)
	if err != nil {
		return err
	}
	failed, err := s.hasFailed(e.Inode)
	if err != nil {
		return err
	}
	page.slots = append(page.slots, slot{origin: origin, name: name, parent: parent, inode: e.Inode, size: e.Size, hadFailed: failed})
	return nil
}
