package cache

import (
	"cmp"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// compare finds the page's names that have an entry in the store already and
// brings page and batch into line with them: a listing may name a file twice, a
// reader may have asked for it first, and after a crash pages are listed again.
//
// It costs one seek for each stretch of sorted names of one directory. Names
// out of order are looked up one by one, but only where something can be there:
// a plain shuffled listing into a new store pays nothing.
func (p *Page) compare() error {
	it, err := p.s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyEntry}, UpperBound: []byte{keyEntry + 1}})
	if err != nil {
		return storeError("compare page", err)
	}
	c := &cursor{it: it}
	if p.fresh {
		err = p.compareFresh(c)
	} else {
		err = p.compareEach(c, 0, len(p.slots))
	}
	return errors.Join(err, it.Close())
}

func (p *Page) compareFresh(c *cursor) error {
	p.unchecked = false
	for a := 0; a < len(p.slots); {
		b := p.stretch(a)
		free, err := p.free(c, a, b)
		if err == nil && !free {
			err = p.compareEach(c, a, b)
		}
		if err != nil {
			return err
		}
		a = b
	}
	return nil
}

// stretch returns the end of the stretch of one directory that begins at a.
func (p *Page) stretch(a int) int {
	b := a + 1
	for b < len(p.slots) && p.slots[b].parent == p.slots[a].parent {
		b++
	}
	return b
}

// free reports whether no name of the stretch needs to be looked up.
func (p *Page) free(c *cursor, a, b int) (bool, error) {
	sorted := true
	last := a
	for k := a + 1; k < b; k++ {
		if p.slots[k].repeated {
			continue
		}
		sorted = sorted && p.slots[last].name < p.slots[k].name
		last = k
	}
	if sorted {
		return c.empty(p.slots[a].parent, p.slots[a].name, p.slots[last].name)
	}
	if p.careful || p.s.mayHold() {
		return false, nil
	}
	p.unchecked = true
	return true, nil
}

// mayHold reports whether names may be in the store that the listing has not
// come to: those of directories, and those that readers asked for.
func (s *Store) mayHold() bool {
	p := s.progress.Load()
	return p.Asked > 0 || p.Dirs > 0
}

// dropRepeated leaves a name that stands twice in the page to its first slot.
func (p *Page) dropRepeated() {
	ascending := true
	for k := 1; k < len(p.slots) && ascending; k++ {
		ascending = p.slots[k-1].compare(&p.slots[k]) < 0
	}
	if ascending {
		return
	}
	order := make([]int, len(p.slots))
	for k := range order {
		order[k] = k
	}
	slices.SortStableFunc(order, func(x, y int) int { return p.slots[x].compare(&p.slots[y]) })
	for i := 1; i < len(order); i++ {
		one, two := &p.slots[order[i-1]], &p.slots[order[i]]
		if one.compare(two) == 0 {
			order[i] = order[i-1]
			two.repeated, two.elsewhere, two.inode, two.state = true, true, one.inode, slotClosed
		}
	}
}

func (s *slot) compare(t *slot) int {
	return cmp.Or(cmp.Compare(s.parent, t.parent), cmp.Compare(s.name, t.name))
}

func (p *Page) compareEach(c *cursor, a, b int) error {
	for k := a; k < b; k++ {
		slot := &p.slots[k]
		if slot.state == slotClosed || slot.dropped {
			continue
		}
		value, ok, err := c.find(slot.parent, slot.name)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		e, err := decodeEntry(value)
		if err != nil {
			return err
		}
		if e.Kind == Dir {
			err = p.giveWay(c, slot, value)
		} else {
			err = p.meet(slot, &e, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// meet deals with a slot whose name has the entry e, whose value is raw.
func (p *Page) meet(slot *slot, e *Entry, raw []byte) error {
	settled := e.State != Pending
	if p.fresh {
		slot.elsewhere = true
	}
	old := slot.inode
	if !p.fresh && slot.hadFailed && old != e.Inode {
		p.obsolete = append(p.obsolete, old)
		slot.hadFailed = false
	}
	slot.inode = e.Inode
	if !settled {
		failed, err := p.s.hasFailed(e.Inode)
		if err != nil {
			return err
		}
		slot.hadFailed = failed
		if old != e.Inode && (slot.state == slotPut || slot.state == slotGone) {
			return p.renumber(slot)
		}
		if slot.state == slotOpen && e.Inode < p.leaveBelow {
			slot.state = slotClosed
		}
		return nil
	}
	if slot.state == slotPut || slot.state == slotGone {
		// Undo in the batch what came second.
		if err := p.batch.Set(appendEntryKey(nil, slot.parent, slot.name), slices.Clone(raw), nil); err != nil {
			return err
		}
		if slot.blob != 0 {
			if err := p.s.blobs.remove(slot.blob); err != nil {
				return err
			}
			slot.blob = 0
		}
	}
	slot.state = slotClosed
	return nil
}

// renumber rewrites the slot's entry in the batch with the number that it has.
func (p *Page) renumber(slot *slot) error {
	e, body, err := p.inBatchEntry(slot.parent, slot.name)
	if err != nil {
		return err
	}
	e.Inode = slot.inode
	return p.set(slot.parent, slot.name, &e, body)
}

// giveWay shows a file under its escaped form because a directory has its name.
func (p *Page) giveWay(c *cursor, slot *slot, dir []byte) error {
	name := otherForm(slot.name)
	if name == "" {
		slot.dropped = true
	}
	dir = slices.Clone(dir)
	if slot.state == slotPut || slot.state == slotGone {
		e, body, err := p.inBatchEntry(slot.parent, slot.name)
		if err != nil {
			return err
		}
		if err := p.batch.Set(appendEntryKey(nil, slot.parent, slot.name), dir, nil); err != nil {
			return err
		}
		if !slot.dropped {
			if err := p.set(slot.parent, name, &e, body); err != nil {
				return err
			}
		}
	}
	if slot.dropped {
		slot.state = slotClosed
		return nil
	}
	slot.name = name
	value, ok, err := c.find(slot.parent, name)
	if err != nil || !ok {
		return err
	}
	e, err := decodeEntry(value)
	if err != nil {
		return err
	}
	return p.meet(slot, &e, value)
}

// inBatchEntry finds what the batch would make of an entry. It is slow, and
// rarely needed.
func (p *Page) inBatchEntry(parent Inode, name string) (Entry, []byte, error) {
	want := string(appendEntryKey(nil, parent, name))
	var found []byte
	r := p.batch.Reader()
	for {
		kind, key, value, ok, err := r.Next()
		if err != nil {
			return Entry{}, nil, err
		}
		if !ok {
			break
		}
		if kind == pebble.InternalKeyKindSet && string(key) == want {
			found = value
		}
	}
	e, err := decodeEntry(slices.Clone(found))
	return e, e.Content, err
}
