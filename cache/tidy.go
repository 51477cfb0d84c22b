package cache

import (
	"errors"
	"strings"
)

// tidier puts directories right that are as nothing in the listing has them: those in which
// there is nothing, as a crash leaves them between the commit of a new directory and that
// of its first names; and those under the other form of their name, though the file that
// has it is gone.
type tidier struct {
	s     *Store
	c     cursor
	empty []Inode
	// escaped are the names that directories are to have, up to MaxPage with empty, and those
	// of one run more.
	escaped []dirKey
}

// look notes what is to be done in a run of directories.
func (d *tidier) look(r *cachedRun) error {
	var inner error
	err := r.each(0, func(k int, name []byte) bool {
		var found bool
		if found, inner = isEmpty(&d.c, r.first+Inode(k)); found {
			d.empty = append(d.empty, r.first+Inode(k))
		} else if inner == nil && strings.HasPrefix(string(name), escapePrefix) {
			key := dirKey{r.parent, unescaped(string(name))}
			if found, inner = isGone(&d.c, key); found {
				d.escaped = append(d.escaped, key)
			}
		}
		return inner == nil
	})
	if err = errors.Join(err, inner); err == nil && len(d.empty)+len(d.escaped) >= MaxPage {
		err = d.write()
	}
	return err
}

// isEmpty reports whether a directory has no entry.
func isEmpty(c *cursor, dir Inode) (bool, error) {
	if err := c.seek(dir, ""); err != nil || !c.on {
		return err == nil, err
	}
	parent, _, _ := splitEntryKey(c.it.Key())
	return parent != dir, nil
}

// isGone reports whether a name is that of a file that is gone.
func isGone(c *cursor, key dirKey) (bool, error) {
	if key.name == "" {
		return false, nil
	}
	raw, e, err := c.entry(key.parent, key.name)
	return raw != nil && e.Kind == File && e.State == Gone, err
}

// unescaped returns the first form of a name of which c is the other, "" where c is none.
func unescaped(c string) string {
	name, err := JoinName([]string{c})
	if err != nil {
		return ""
	}
	path, err := SplitName(nil, name)
	if err != nil || len(path) != 1 || path[0] == c {
		return ""
	}
	return path[0]
}

// end writes what is left, unless looking has failed with err.
func (d *tidier) end(err error) error {
	if err == nil {
		err = d.write()
	}
	return errors.Join(err, d.c.close())
}

// write takes empty directories away, and those above them in which nothing else is, and
// gives others their names back. No page with new names may be under way.
func (d *tidier) write() error {
	if len(d.empty)+len(d.escaped) == 0 {
		return nil
	}
	p := &Page{s: d.s, batch: d.s.db.NewBatch()}
	d.s.commit.Lock()
	defer d.s.commit.Unlock()
	c := &carrier{p: p, s: d.s, next: d.s.commit.progress}
	err := d.carryOut(c)
	if err == nil {
		err = d.s.applyLocked(p.batch, c.next)
	}
	if err != nil {
		return errors.Join(err, p.batch.Close())
	}
	d.empty, d.escaped = d.empty[:0], d.escaped[:0]
	return p.committedLocked(c)
}

func (d *tidier) carryOut(c *carrier) (err error) {
	now := cursor{db: d.s.db} // a reader may have put something there
	defer func() { err = errors.Join(err, now.close()) }()
	for _, dir := range d.empty {
		empty, err := isEmpty(&now, dir)
		if err == nil && empty {
			err = c.removeDir(dir)
		}
		if err != nil {
			return err
		}
	}
	for _, key := range d.escaped {
		gone, err := isGone(&now, key)
		if err == nil && gone {
			err = errors.Join(c.forget([][]byte{appendEntryKey(nil, key.parent, key.name)}), c.giveBack(key.parent, key.name))
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(c.empty(), c.edits.write(d.s, c.p.batch))
}
