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
// It costs one seek for each row of ascending names of one directory. Names that
// come in no order are looked up only where something can be there (see conflicts):
// a shuffled listing into a new store pays nothing.
func (p *Page) compare() error {
	c := &cursor{db: p.s.db}
	var err error
	switch {
	case !p.fresh:
		err = p.compareEach(c, 0, len(p.slots))
	case p.sorted && !p.careful:
		p.unchecked = false
		err = p.compareFew(c, 0, len(p.slots))
	default:
		p.unchecked = false
		err = p.compareRows(c)
	}
	return errors.Join(err, c.close())
}

// compareRows compares the names of a new page, a row of one directory at a time.
func (p *Page) compareRows(c *cursor) error {
	for a := 0; a < len(p.slots); {
		b := p.row(a)
		if err := p.compareRow(c, a, b); err != nil {
			return err
		}
		a = b
	}
	return nil
}

// row returns the end of the row of one directory that begins at a.
func (p *Page) row(a int) int {
	b := a + 1
	for b < len(p.slots) && p.slots[b].parent == p.slots[a].parent {
		b++
	}
	return b
}

// rowSlack is how many more entries than names there may be where a row's names
// belong, before it is not the entries that are gone through.
const rowSlack = 16

// compareRow goes through the entries between the first and the last of the row's
// names: mostly there are none. Where they are many, pages come in no order.
func (p *Page) compareRow(c *cursor, a, b int) error {
	for a < b && p.slots[a].repeated {
		a++
	}
	if a == b {
		return nil
	}
	last := a
	for k := a + 1; k < b; k++ {
		if p.slots[k].repeated {
			continue
		}
		if p.slots[last].name > p.slots[k].name {
			return p.compareEach(c, a, b) // one gave way, and has another name
		}
		last = k
	}
	parent, k := p.slots[a].parent, a
	err := c.seek(parent, p.slots[a].name)
	for entries := 0; err == nil && c.on; entries++ {
		at, name, _ := splitEntryKey(c.it.Key())
		if at != parent || string(name) > p.slots[last].name {
			return nil
		}
		for k < last && (p.slots[k].repeated || p.slots[k].name < string(name)) {
			k++
		}
		switch {
		case p.slots[k].name == string(name):
			err = p.compareHere(c, &p.slots[k])
		case entries >= b-a+rowSlack && p.careful:
			return p.compareEach(c, k, b)
		case entries >= b-a+rowSlack:
			return p.compareFew(c, k, b)
		}
		if err == nil {
			err = c.next()
		}
	}
	return err
}

// compareHere compares a slot with the entry of its name, on which the cursor stands,
// and leaves it there.
func (p *Page) compareHere(c *cursor, slot *slot) error {
	if slot.state == slotClosed || slot.dropped {
		return nil
	}
	value, err := c.value()
	if err != nil {
		return err
	}
	name := slot.name
	if err := p.compareSlot(c, slot, value); err != nil || slot.name == name {
		return err
	}
	return c.seek(slot.parent, name)
}

// compareFew looks up those names that are among the conflicts. Unless the planner
// vouches for them, the others may have been listed before.
func (p *Page) compareFew(c *cursor, a, b int) error {
	few, all := p.s.conflicts.among(p.slots[a:b])
	if all {
		return p.compareEach(c, a, b)
	}
	for _, k := range few {
		if err := p.compareEach(c, a+k, a+k+1); err != nil {
			return err
		}
	}
	p.unchecked = p.unchecked || len(few) < b-a && !p.vouched
	return nil
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
		if err := p.compareSlot(c, slot, value); err != nil {
			return err
		}
	}
	return nil
}

// compareSlot compares a slot with the entry that has its name.
func (p *Page) compareSlot(c *cursor, slot *slot, value []byte) error {
	e, err := decodeEntry(value)
	if err != nil {
		return err
	}
	if e.Kind == Dir {
		return p.giveWay(c, slot, value)
	}
	return p.meet(slot, &e, value)
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
