package cache

import (
	"github.com/cockroachdb/pebble/v2"
)

// Commit writes everything that was decided, with the names of a new page and
// the counts, in one batch. On success the page can go on to be used.
func (p *Page) Commit() error {
	if !p.fresh && p.inBatch == 0 && len(p.obsolete) == 0 {
		return nil
	}
	if p.batch == nil {
		p.batch = p.s.db.NewBatch()
	}
	p.s.commit.Lock()
	defer p.s.commit.Unlock()
	if p.s.commit.closed {
		return ErrClosed
	}
	if err := p.s.BrokenErr(); err != nil {
		return err
	}
	if p.fresh || p.lazy || p.updates != p.s.commit.updates {
		p.lazy = false
		p.updates = p.s.commit.updates
		if err := p.compare(); err != nil {
			return err
		}
	}
	c := &carrier{p: p, s: p.s, next: p.s.commit.progress}
	if p.refresh != nil {
		c.counts = p.refresh.counts
		if p.dryRun() {
			return p.countLocked(c)
		}
	}
	if err := c.carryOut(); err != nil {
		return err
	}
	if p.alone {
		if err := p.s.scratch.files.write(p); err != nil {
			return err
		}
	}
	if p.refresh != nil && p.refresh.counts != c.counts {
		saved := c.counts
		saved.Reviewed = p.refresh.reviewed // as is what was seen
		if err := p.batch.Set(metaRefresh, p.refresh.written.append(&saved), nil); err != nil {
			return err
		}
	}
	if !p.batch.Empty() || c.next != p.s.commit.progress {
		if err := p.s.applyLocked(p.batch, c.next); err != nil {
			return err
		}
	}
	if p.refresh != nil {
		p.refresh.counts = c.counts
	}
	return p.committedLocked(c)
}

// carrier carries out what was decided of a page's names: it adds to the batch all
// that does not depend on a content.
type carrier struct {
	p      *Page
	s      *Store
	next   Progress
	counts Refreshed
	edits  runEdits
	// removed are the names that go, by their directory.
	removed map[Inode]map[string]bool
	// forgotten are numbers that no entry has any more.
	forgotten []Inode
}

func (c *carrier) carryOut() error {
	p := c.p
	if p.fresh {
		if err := c.writeRuns(); err != nil {
			return err
		}
	}
	for _, ino := range p.obsolete {
		switch has, err := c.s.hasRecord(ino); {
		case err != nil:
			return err
		case !has: // it went with what took the name
			continue
		}
		c.next.Failed--
		if err := p.batch.Delete(appendFailedKey(nil, ino), nil); err != nil {
			return err
		}
	}
	moved := 0
	for k := range p.slots {
		slot := &p.slots[k]
		if p.moves(slot) {
			moved++
		}
		if p.event == onReview && (slot.state == slotDiffers || slot.state == slotSame) {
			c.counts.Reviewed++
		}
		if err := c.slot(slot); err != nil {
			return err
		}
	}
	if moved > 0 {
		if err := c.replace(moved); err != nil {
			return err
		}
	}
	if err := c.empty(); err != nil {
		return err
	}
	return c.edits.write(c.s, p.batch)
}

// slot carries out what was decided of one name, but for contents that differ.
func (c *carrier) slot(slot *slot) error {
	p := c.p
	switch slot.state {
	case slotCame:
		c.next.Fetched++
		c.next.Bytes += uint64(slot.stored)
	case slotMissing:
		if slot.review != nil { // it is listed, so what is here stays
			if slot.review.state != Gone {
				c.counts.Kept++
			}
			return nil
		}
		c.next.Gone++
		e := p.entry(0, Gone, 0, nil)
		e.Inode = slot.inode
		if err := p.set(slot.parent, slot.name, &e, nil); err != nil {
			return err
		}
		if slot.known || !p.fresh {
			c.edits.set(slot.inode, "")
		}
	case slotRemoved:
		if err := c.remove(slot); err != nil {
			return err
		}
	case slotFailed:
		if slot.review != nil {
			c.counts.Kept++
			return nil
		}
		return c.fail(slot)
	case slotOpen, slotDiffers: // see replace
		if !p.moves(slot) || slot.review != nil {
			return nil
		}
	default:
		return nil
	}
	return c.forgive(slot)
}

// pending is the entry of a file that is not fetched.
func (s *slot) pending() *Entry {
	return &Entry{Inode: s.inode, State: Pending, Size: s.size, ModTime: s.modTime, ETag: s.etag}
}

// forgive deletes the record of an earlier failure.
func (c *carrier) forgive(slot *slot) error {
	if !slot.hadFailed {
		return nil
	}
	c.next.Failed--
	return c.p.batch.Delete(appendFailedKey(nil, slot.inode), nil)
}

func (c *carrier) fail(slot *slot) error {
	if c.p.listedAlone(slot) { // the pages of Failed find it
		if err := c.p.batch.Set(appendEntryKey(nil, slot.parent, slot.name), c.s.scratch.files.head(slot.inode), nil); err != nil {
			return err
		}
	}
	if !slot.hadFailed {
		c.next.Failed++
	}
	return c.p.batch.Set(appendFailedKey(nil, slot.inode), slot.failure.append(nil), nil)
}

// writeRuns gives a new page's names their numbers, and pending entries to
// those that nothing was decided for. The index comes after all runs: the memtable is
// quicker at keys that lie beside each other.
func (c *carrier) writeRuns() error {
	p := c.p
	var rows []int
	for a := 0; a < len(p.slots); {
		b := p.row(a)
		written, err := c.writeRun(a, b)
		if err != nil {
			return err
		}
		if written {
			rows = append(rows, a)
		}
		a = b
	}
	mark := byte(0)
	if p.event == onAsked && !p.Listed() && !p.slots[0].dropped {
		mark = markAsked
		c.next.Asked++
		p.s.conflicts.add(p.slots[0].parent, p.slots[0].name)
	}
	for _, a := range rows {
		if err := p.batch.Set(appendRunIndexKey(nil, p.first+Inode(a)), appendRunIndex(nil, runIndex{p.slots[a].parent, mark}), nil); err != nil {
			return err
		}
	}
	c.next.Next = max(c.next.Next, p.End())
	return nil
}

// writeRun writes the row of slots from a to b, if any of its names stays.
func (c *carrier) writeRun(a, b int) (written bool, err error) {
	p := c.p
	names := 0
	for k := a; k < b; k++ {
		slot := &p.slots[k]
		if slot.known || slot.dropped {
			continue
		}
		c.next.Files++
		if p.unchecked {
			c.next.Unchecked++
		}
		if p.refresh != nil {
			c.next.Changed++
			c.counts.New++
		}
		if slot.state != slotMissing {
			names++
		}
		if slot.state == slotOpen || slot.state == slotFailed {
			if err := p.set(slot.parent, slot.name, slot.pending(), nil); err != nil {
				return false, err
			}
		}
	}
	if names == 0 {
		return false, nil
	}
	return true, p.batch.Set(appendRunKey(nil, p.slots[a].parent, p.first+Inode(a)), appendRun(nil, File, b-a, func(k int) (string, bool) {
		slot := &p.slots[a+k]
		return slot.name, !slot.known && !slot.dropped && slot.state != slotMissing
	}), nil)
}

// writeRun adds a run and its index to batch.
func writeRun(batch *pebble.Batch, parent, first Inode, kind Kind, n int, name func(k int) (string, bool)) error {
	if err := batch.Set(appendRunKey(nil, parent, first), appendRun(nil, kind, n, name), nil); err != nil {
		return err
	}
	return batch.Set(appendRunIndexKey(nil, first), appendRunIndex(nil, newRunIndex(parent, kind)), nil)
}

// committedLocked brings the page up to what the store now holds.
func (p *Page) committedLocked(c *carrier) error {
	if p.alone {
		p.s.scratch.files.commit(p, c.forgotten)
	}
	updated := len(c.forgotten) > 0
	for k := range p.slots {
		slot := &p.slots[k]
		open := slot.state == slotOpen
		updated = updated || !open && slot.state != slotSettled && (!p.fresh || slot.known)
		if !open && len(p.s.commit.held) > 0 {
			p.s.unholdLocked(slot.inode)
		}
		if !open {
			// What is kept for want of an answer is asked for again.
			if again := slot.review != nil && (slot.state == slotFailed || slot.state == slotMissing); !again && p.refresh != nil && p.event != onRelisted {
				if err := p.refresh.saw(slot.inode); err != nil {
					return err
				}
			}
			slot.state = slotSettled
		}
		if open {
			p.promised(slot)
		}
		slot.blob, slot.late = 0, nil
	}
	if updated {
		p.s.commit.updates++
	}
	c.edits.forget(p.s)
	for _, ino := range c.forgotten {
		p.s.entries.remove(ino)
	}
	if p.fresh && p.event == onListed {
		p.s.commit.careful -= min(p.s.commit.careful, uint64(len(p.slots)))
	}
	p.fresh, p.inBatch, p.late, p.now, p.obsolete = false, 0, 0, 0, nil
	p.updates = p.s.commit.updates
	err := p.batch.Close()
	p.batch = nil
	return err
}
