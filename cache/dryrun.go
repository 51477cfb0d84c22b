package cache

import "errors"

// Count counts, for a dry run, what would become of names that Match has left.
func (r *Refresh) Count(names []Name) error {
	for i := range names {
		e, err := r.s.find(names[i].Origin)
		r.s.commit.Lock()
		switch {
		case errors.Is(err, ErrNotFound):
			r.counts.New++
			err = nil
		case err == nil:
			if s := (slot{size: names[i].Size, modTime: names[i].ModTime, etag: names[i].ETag}); e.Here() && !r.o.Contents && s.differsFrom(&e) {
				r.counts.Changed++
			}
			err = r.saw(e.Inode)
		case errors.Is(err, ErrName):
			err = nil // left out, as always
		}
		r.s.commit.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// find returns the entry of the file with that origin's name.
func (s *Store) find(origin string) (Entry, error) {
	path, err := SplitName(nil, origin)
	if err != nil {
		return Entry{}, err
	}
	dir := Entry{Inode: RootInode}
	for k, name := range path {
		kind := Dir
		if k == len(path)-1 {
			kind = File
		}
		e, err := s.Lookup(dir.Inode, name)
		if other := OtherForm(name); other != "" && (errors.Is(err, ErrNotFound) || err == nil && e.Kind != kind) {
			e, err = s.Lookup(dir.Inode, other)
		}
		if err != nil {
			return Entry{}, err
		}
		if e.Kind != kind {
			return Entry{}, ErrNotFound
		}
		dir = e
	}
	return dir, nil
}

// dryRun reports whether what comes for the page is only counted.
func (p *Page) dryRun() bool { return p.refresh != nil && p.refresh.o.DryRun }

// countLocked counts what a page of a dry run has found, and forgets it.
func (p *Page) countLocked(c *carrier) error {
	for k := range p.slots {
		slot := &p.slots[k]
		switch slot.state {
		case slotDiffers:
			switch {
			case slot.review == nil:
			case slot.review.state == Gone:
				c.counts.Returned++
			default:
				c.counts.Changed++
			}
		case slotFailed, slotMissing:
			if slot.review == nil || slot.review.state != Gone {
				c.counts.Kept++
			}
		}
		if p.event == onReview && (slot.state == slotDiffers || slot.state == slotSame) {
			c.counts.Reviewed++
		}
	}
	p.refresh.counts = c.counts
	return p.committedLocked(c)
}
