package cache

import (
	"errors"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// moves reports whether a slot's entry is to have a new number.
func (p *Page) moves(slot *slot) bool { return slot.state == slotDiffers || p.renews(slot) }

// replace gives the contents that differ, and the entries of which another was listed, new
// numbers, and sets the old ones aside.
func (c *carrier) replace(n int) error {
	p := c.p
	first, err := c.s.reserveLocked(n)
	if err != nil {
		return err
	}
	next := first
	slots := make([]*slot, 0, n)
	for k := range p.slots {
		slot := &p.slots[k]
		if !p.moves(slot) {
			continue
		}
		if err := c.setAside(slot); err != nil {
			return err
		}
		if slot.review != nil && slot.review.state == Gone {
			c.next.Gone--
			c.counts.Returned++
		} else {
			c.edits.set(slot.inode, "")
			c.forgotten = append(c.forgotten, slot.inode)
		}
		switch {
		case slot.state == slotOpen:
		case slot.review == nil || slot.review.state == Gone:
			c.next.Fetched++
		default:
			c.next.Bytes -= uint64(slot.review.size)
			c.counts.Changed++
		}
		c.next.Changed += 2 // Gone counts too, see Changes
		entry, body := slot.pending(), []byte(nil)
		if slot.state == slotDiffers {
			entry, body = &slot.late.entry, slot.late.body
			c.next.Bytes += uint64(entry.Size)
		}
		slot.inode, next = next, next+1
		entry.Inode = slot.inode
		if err := p.set(slot.parent, slot.name, entry, body); err != nil {
			return err
		}
		slots = append(slots, slot)
	}
	c.next.Next = max(c.next.Next, next)
	for len(slots) > 0 {
		b := 1
		for b < len(slots) && slots[b].parent == slots[0].parent {
			b++
		}
		run := slots[:b]
		if err := writeRun(p.batch, run[0].parent, run[0].inode, File, b, func(k int) (string, bool) { return run[k].name, true }); err != nil {
			return err
		}
		slots = slots[b:]
	}
	return nil
}

// setAside keeps what is here of a slot's name for who has it open: all of a content in
// an entry if readers are expected, and a blob file, which cannot go before what names
// it is off the disk.
func (c *carrier) setAside(slot *slot) error {
	if slot.review == nil || slot.review.state != Blob && (!c.s.opts.KeepOld || slot.review.state != Inline) {
		return nil
	}
	value, closer, err := c.s.db.Get(appendEntryKey(nil, slot.parent, slot.name))
	if err != nil {
		return storeError("set aside", err)
	}
	return errors.Join(c.p.batch.Set(appendAsideKey(nil, slot.inode), value, nil), closer.Close())
}

// remove takes a name away.
func (c *carrier) remove(slot *slot) error {
	if err := c.setAside(slot); err != nil {
		return err
	}
	if v := slot.review; v != nil {
		c.next.Fetched--
		c.next.Bytes -= uint64(v.size)
	}
	c.next.Files--
	c.next.Changed++
	c.counts.Removed++
	c.forgotten = append(c.forgotten, slot.inode)
	return c.take(slot.parent, slot.name, slot.inode)
}

// take takes an entry and its place in a run away.
func (c *carrier) take(parent Inode, name string, ino Inode) error {
	c.edits.set(ino, "")
	if c.removed == nil {
		c.removed = map[Inode]map[string]bool{}
	}
	if c.removed[parent] == nil {
		c.removed[parent] = map[string]bool{}
	}
	c.removed[parent][name] = true
	return c.p.batch.Delete(appendEntryKey(nil, parent, name), nil)
}

// empty takes away the directories in which nothing is left, and gives names back to
// those that had to take their other form. No page with new names is under way when
// names are removed, so nobody is about to put something there.
func (c *carrier) empty() error {
	if c.removed == nil {
		return nil
	}
	it, err := c.s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyEntry}, UpperBound: []byte{keyEntry + 1}})
	if err != nil {
		return storeError("empty directory", err)
	}
	return errors.Join(c.emptyAll(it), it.Close())
}

func (c *carrier) emptyAll(it *pebble.Iterator) error {
	done := map[Inode]int{} // how many names of a directory had gone when it was looked at
	for more := true; more; {
		more = false
		for _, dir := range slices.Sorted(maps.Keys(c.removed)) {
			if dir == RootInode || done[dir] == len(c.removed[dir]) {
				continue
			}
			done[dir] = len(c.removed[dir])
			left, gone, err := c.left(it, dir)
			if err == nil && !left {
				more = true
				err = errors.Join(c.forget(gone), c.removeDir(dir))
			}
			if err != nil {
				return err
			}
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(c.removed)) {
		for name := range maps.Clone(c.removed[dir]) {
			if err := c.giveBack(dir, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// left reports whether a directory has entries that stay. Those of files that are gone do not
// keep it; they are returned.
func (c *carrier) left(it *pebble.Iterator, dir Inode) (left bool, gone [][]byte, err error) {
	for valid := it.SeekGE(appendEntryKey(nil, dir, "")); valid; valid = it.Next() {
		parent, name, _ := splitEntryKey(it.Key())
		if parent != dir {
			break
		}
		if c.removed[dir][string(name)] {
			continue
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return false, nil, storeError("empty directory", err)
		}
		if e, err := decodeEntry(value); err != nil || e.Kind == Dir || e.State != Gone {
			return true, nil, err
		}
		gone = append(gone, slices.Clone(it.Key()))
	}
	return false, gone, storeError("empty directory", it.Error())
}

// forget drops entries of files that are gone.
func (c *carrier) forget(keys [][]byte) error {
	for _, key := range keys {
		c.next.Files--
		c.next.Gone--
		c.next.Changed++ // Gone counts too, see Changes
		if err := c.p.batch.Delete(key, nil); err != nil {
			return err
		}
	}
	return nil
}

func (c *carrier) removeDir(dir Inode) error {
	parent, name, err := c.s.locate(dir)
	if err != nil {
		return err
	}
	c.next.Dirs--
	c.next.Changed++
	c.forgotten = append(c.forgotten, dir)
	return c.take(parent, name, dir)
}

// giveBack gives a name of a directory that was removed to who stands there under its
// other form, and so on with the one that has that of the other form. Numbers stay.
func (c *carrier) giveBack(dir Inode, name string) error {
	other := OtherForm(name)
	if other == "" || c.removed[dir][other] {
		return nil
	}
	e, err := c.s.lookup(dir, other)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err == nil {
		err = errors.Join(c.p.set(dir, name, &e, e.Content), c.p.batch.Delete(appendEntryKey(nil, dir, other), nil))
	}
	if err != nil {
		return err
	}
	c.next.Changed++
	if e.Kind == Dir || e.State != Gone {
		c.edits.set(e.Inode, name)
	}
	return c.giveBack(dir, other)
}
