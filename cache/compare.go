package cache

import (
	"cmp"
	"errors"
	"slices"
	"strings"
)

// compare finds the page's names that have an entry in the store already and
// brings page and batch into line with them: a listing may name a file twice, a
// reader may have asked for it first, and after a crash pages are listed again.
//
// It costs one seek for each row of ascending names of one directory. Names that
// come in no order are looked up only where something can be there (see conflicts):
// a shuffled listing into a new store pays nothing.
func (p *Page) compare() error {
	if p.alone {
		return nil
	}
	c := &cursor{db: p.s.db}
	var err error
	switch {
	case !p.fresh:
		err = p.compareEach(c, 0, len(p.slots))
	case p.event == onAsked:
		err = p.compareAsked(c)
	case p.sorted && !p.careful:
		p.unchecked = false
		err = p.compareFew(c, 0, len(p.slots))
	default:
		p.unchecked = false
		err = p.compareRows(c)
	}
	return errors.Join(err, c.close())
}

// compareAsked compares the one name of a page that a reader asked for. What it was to go
// into may have been removed meanwhile.
func (p *Page) compareAsked(c *cursor) error {
	slot := &p.slots[0]
	if slot.state == slotSettled {
		return nil
	}
	if slot.parent != RootInode {
		if _, _, err := p.s.locate(slot.parent); errors.Is(err, ErrNotFound) {
			slot.dropped = true
			return p.settle(slot, nil)
		} else if err != nil {
			return err
		}
	}
	return p.compareSlot(c, slot)
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
	name := slot.name
	if err := p.compareSlot(c, slot); err != nil || slot.name == name {
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
	alone := &cursor{db: p.s.db, alone: true}
	for _, k := range few {
		if err := p.compareSlot(alone, &p.slots[a+k]); err != nil {
			return errors.Join(err, alone.close())
		}
	}
	if err := alone.close(); err != nil {
		return err
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
			two.repeated, two.known, two.inode, two.state = true, true, one.inode, slotSettled
		}
	}
}

func (s *slot) compare(t *slot) int {
	return cmp.Or(cmp.Compare(s.parent, t.parent), cmp.Compare(s.name, t.name))
}

func (p *Page) compareEach(c *cursor, a, b int) error {
	for k := a; k < b; k++ {
		if err := p.compareSlot(c, &p.slots[k]); err != nil {
			return err
		}
	}
	return nil
}

func (p *Page) compareSlot(c *cursor, slot *slot) error {
	if slot.state == slotSettled || slot.dropped {
		return nil
	}
	return p.meet(c, slot)
}

// meet finds what the store has of a slot's name, and decides what becomes of it.
func (p *Page) meet(c *cursor, slot *slot) error {
	raw, e, err := c.entry(slot.parent, slot.name)
	if err != nil {
		return err
	}
	have, err := p.haveOf(raw, &e)
	if err == nil && decide(have, p.eventOf(slot, &e)) == yield {
		if err = p.escape(slot, raw); err != nil || slot.dropped {
			return err
		}
		if raw, e, err = c.entry(slot.parent, slot.name); err != nil {
			return err
		}
		have, err = p.haveOf(raw, &e)
	}
	switch {
	case err != nil:
		return err
	case have == haveNothing && p.fresh && !slot.known:
		return nil // the page's own number is for it
	case have == haveNothing, have == haveDir:
		slot.dropped = have == haveDir && p.fresh
		return p.settle(slot, raw)
	}
	before := slot.inode
	p.takeNumber(slot, e.Inode)
	slot.hadFailed = have == haveFailed
	slot.changed = p.says(slot) && slot.differsFrom(&e)
	was := slot.promise
	slot.promise = promiseOf(&e)
	if p.refresh != nil && p.event == onRelisted {
		if err := p.refresh.saw(e.Inode); err != nil {
			return err
		}
	}
	if p.Unlisted() && e.State != Pending {
		slot.review = versionOf(&e)
	}
	switch decide(have, p.eventOf(slot, &e)) {
	case ask, renew:
		if e.State != Pending {
			slot.review = versionOf(&e)
		} else if e.Inode < p.leaveBelow {
			slot.state = slotSettled
		}
	case keep:
		if answered := slot.state == slotSame || slot.state == slotFailed || slot.state == slotMissing; !answered || slot.review == nil {
			return p.settle(slot, raw)
		}
	case replace:
		if e.State == Pending {
			slot.review = nil
			return p.fit(slot)
		}
		if slot.review == nil || slot.review.inode != e.Inode { // somebody else has replaced it
			return p.settle(slot, raw)
		}
	case remove:
		if before != e.Inode { // it is another's by now
			return p.settle(slot, raw)
		}
	case fill:
		if before != e.Inode || slot.promise != was {
			return p.fit(slot)
		}
	}
	return nil
}

func versionOf(e *Entry) *version {
	return &version{inode: e.Inode, state: e.State, size: e.Size, sum: e.contentSum(), blob: e.blob, modTime: e.ModTime, etag: e.ETag}
}

// says reports whether the page says something of a slot's file, as a listing does.
func (p *Page) says(slot *slot) bool {
	return p.event == onListed || p.event == onRelisted || slot.relisted
}

// haveOf is what the store has of a name with the entry e, whose value is raw.
func (p *Page) haveOf(raw []byte, e *Entry) (have, error) {
	switch {
	case raw == nil:
		return haveNothing, nil
	case e.Kind == Dir:
		return haveDir, nil
	case e.State == Gone:
		return haveGone, nil
	case e.State != Pending:
		return haveHere, nil
	}
	failed, err := p.s.hasFailed(e.Inode)
	if failed {
		return haveFailed, err
	}
	return havePending, err
}

// eventOf is what comes to a slot whose name has the entry e.
func (p *Page) eventOf(slot *slot, e *Entry) event {
	switch {
	case slot.state != slotOpen:
		return outcomes[slot.state]
	case p.says(slot) && e.Kind == File && slot.differsFrom(e):
		return onChanged
	}
	return p.event
}

// differsFrom reports whether the listing says something else than the entry has.
// What either does not know does not count.
func (s *slot) differsFrom(e *Entry) bool {
	return s.size >= 0 && e.Size >= 0 && s.size != e.Size ||
		s.modTime != 0 && e.ModTime != 0 && s.modTime != e.ModTime ||
		s.etag != "" && e.ETag != "" && weakETag(s.etag) != weakETag(e.ETag)
}

// weakETag is what two ETags are compared by where not every byte counts.
func weakETag(etag string) string { return strings.TrimPrefix(etag, "W/") }

// takeNumber gives the slot the number of its entry.
func (p *Page) takeNumber(slot *slot, ino Inode) {
	if p.fresh {
		slot.known = true
	} else if slot.hadFailed && slot.inode != ino {
		p.obsolete = append(p.obsolete, slot.inode)
	}
	slot.inode = ino
}
