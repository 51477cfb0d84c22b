package cache

import "errors"

// emptyDirs are directories in which there is nothing. A crash leaves them, between the
// commit of a new directory and that of its first names, where those are not listed again.
type emptyDirs struct {
	s    *Store
	c    cursor
	dirs []Inode // up to those of one run more than MaxPage
}

// look notes those of a run of directories that are empty.
func (d *emptyDirs) look(r *cachedRun) error {
	var inner error
	err := r.each(0, func(k int, _ []byte) bool {
		var empty bool
		if empty, inner = isEmpty(&d.c, r.first+Inode(k)); empty {
			d.dirs = append(d.dirs, r.first+Inode(k))
		}
		return inner == nil
	})
	if err = errors.Join(err, inner); err == nil && len(d.dirs) >= MaxPage {
		err = d.remove()
	}
	return err
}

func isEmpty(c *cursor, dir Inode) (bool, error) {
	if err := c.seek(dir, ""); err != nil || !c.on {
		return err == nil, err
	}
	parent, _, _ := splitEntryKey(c.it.Key())
	return parent != dir, nil
}

// end removes what is left, unless looking has failed with err.
func (d *emptyDirs) end(err error) error {
	if err == nil {
		err = d.remove()
	}
	return errors.Join(err, d.c.close())
}

// remove takes the directories away, and those above them in which nothing else is. No page
// with new names may be under way.
func (d *emptyDirs) remove() error {
	if len(d.dirs) == 0 {
		return nil
	}
	p := &Page{s: d.s, batch: d.s.db.NewBatch()}
	d.s.commit.Lock()
	defer d.s.commit.Unlock()
	c := &carrier{p: p, s: d.s, next: d.s.commit.progress}
	now := cursor{db: d.s.db} // a reader may have put something there
	err := func() error {
		for _, dir := range d.dirs {
			empty, err := isEmpty(&now, dir)
			if err == nil && empty {
				err = c.removeDir(dir)
			}
			if err != nil {
				return err
			}
		}
		if err := errors.Join(c.empty(), c.edits.write(d.s, p.batch)); err != nil {
			return err
		}
		return d.s.applyLocked(p.batch, c.next)
	}()
	if err = errors.Join(err, now.close()); err != nil {
		return errors.Join(err, p.batch.Close())
	}
	d.dirs = d.dirs[:0]
	return p.committedLocked(c)
}
