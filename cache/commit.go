package cache

import (
	"slices"

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
	if p.fresh || p.updates != p.s.commit.updates {
		p.updates = p.s.commit.updates
		if err := p.compare(); err != nil {
			return err
		}
	}
	next := p.s.commit.progress
	if err := p.writeLocked(&next); err != nil {
		return err
	}
	if err := p.s.applyLocked(p.batch, next); err != nil {
		return err
	}
	return p.committedLocked()
}

// writeLocked adds to the batch all that does not depend on a content.
func (p *Page) writeLocked(next *Progress) error {
	if p.fresh {
		if err := p.writeRuns(next); err != nil {
			return err
		}
	}
	for _, ino := range p.obsolete {
		next.Failed--
		if err := p.batch.Delete(appendFailedKey(nil, ino), nil); err != nil {
			return err
		}
	}
	goneRuns := map[Inode][]Inode(nil)
	for k := range p.slots {
		slot := &p.slots[k]
		switch slot.state {
		case slotPut:
			next.Fetched++
			next.Bytes += uint64(slot.size)
		case slotGone:
			next.Gone++
			if slot.elsewhere || !p.fresh {
				r, err := p.s.runOf(slot.inode)
				if err != nil {
					return err
				}
				if goneRuns == nil {
					goneRuns = map[Inode][]Inode{}
				}
				goneRuns[r.first] = append(goneRuns[r.first], slot.inode)
			}
		case slotFailed:
			if err := p.writeFailure(slot, next); err != nil {
				return err
			}
			continue
		default:
			continue
		}
		if slot.hadFailed {
			next.Failed--
			if err := p.batch.Delete(appendFailedKey(nil, slot.inode), nil); err != nil {
				return err
			}
		}
	}
	return p.punchHoles(goneRuns)
}

func (p *Page) writeFailure(slot *slot, next *Progress) error {
	if !slot.hadFailed {
		next.Failed++
	}
	return p.batch.Set(appendFailedKey(nil, slot.inode), slot.failure.append(nil), nil)
}

// writeRuns gives a new page's names their numbers, and pending entries to
// those that nothing was decided for.
func (p *Page) writeRuns(next *Progress) error {
	for a := 0; a < len(p.slots); {
		b := a + 1
		for b < len(p.slots) && p.slots[b].parent == p.slots[a].parent {
			b++
		}
		if err := p.writeRun(a, b, next); err != nil {
			return err
		}
		a = b
	}
	next.Next = max(next.Next, p.End())
	if p.asked && !p.Listed() && !p.slots[0].dropped {
		next.Asked++
		p.s.conflicts.add(p.slots[0].parent, p.slots[0].name)
		return p.batch.Set(appendRunIndexKey(nil, p.first), appendRunIndex(nil, runIndex{p.slots[0].parent, markAsked}), nil)
	}
	return nil
}

func (p *Page) writeRun(a, b int, next *Progress) error {
	names := 0
	for k := a; k < b; k++ {
		slot := &p.slots[k]
		if slot.elsewhere || slot.dropped {
			continue
		}
		next.Files++
		if p.unchecked {
			next.Unchecked++
		}
		if slot.state != slotGone {
			names++
		}
		if slot.state == slotOpen || slot.state == slotFailed {
			if err := p.set(slot.parent, slot.name, &Entry{Inode: slot.inode, State: Pending, Size: slot.size}, nil); err != nil {
				return err
			}
		}
	}
	if names == 0 {
		return nil
	}
	return writeRun(p.batch, p.slots[a].parent, p.first+Inode(a), File, b-a, func(k int) (string, bool) {
		slot := &p.slots[a+k]
		return slot.name, !slot.elsewhere && !slot.dropped && slot.state != slotGone
	})
}

// writeRun adds a run and its index to batch.
func writeRun(batch *pebble.Batch, parent, first Inode, kind Kind, n int, name func(k int) (string, bool)) error {
	if err := batch.Set(appendRunKey(nil, parent, first), appendRun(nil, kind, n, name), nil); err != nil {
		return err
	}
	return batch.Set(appendRunIndexKey(nil, first), appendRunIndex(nil, newRunIndex(parent, kind)), nil)
}

// punchHoles takes the names of files that are gone out of their runs.
func (p *Page) punchHoles(gone map[Inode][]Inode) error {
	for first, inodes := range gone {
		r, err := p.s.runOf(first)
		if err == nil {
			// Read anew: a reader that began before the last hole was punched
			// may have put the run as it was into the cache after it.
			r, err = p.s.loadRun(r.parent, r.first)
		}
		if err != nil {
			return err
		}
		names := make([]string, r.n)
		if err := r.each(0, func(k int, name []byte) bool { names[k] = string(name); return true }); err != nil {
			return err
		}
		if err := p.batch.Set(appendRunKey(nil, r.parent, first), appendRun(nil, r.kind, r.n, func(k int) (string, bool) {
			return names[k], names[k] != "" && !slices.Contains(inodes, first+Inode(k))
		}), nil); err != nil {
			return err
		}
	}
	return nil
}

// committedLocked brings the page up to what the store now holds.
func (p *Page) committedLocked() error {
	updated := false
	for k := range p.slots {
		slot := &p.slots[k]
		updated = updated || slot.state != slotOpen && slot.state != slotClosed && (!p.fresh || slot.elsewhere)
		if slot.state != slotOpen && len(p.s.commit.held) > 0 {
			p.s.unholdLocked(slot.inode)
		}
		switch slot.state {
		case slotPut, slotFailed:
			slot.state = slotClosed
		case slotGone:
			p.s.forgetRun(slot.inode)
			slot.state = slotClosed
		}
		slot.blob = 0
	}
	if updated {
		p.s.commit.updates++
	}
	if p.fresh && !p.asked {
		p.s.commit.careful -= min(p.s.commit.careful, uint64(len(p.slots)))
	}
	p.fresh, p.inBatch, p.now, p.obsolete = false, 0, 0, nil
	p.updates = p.s.commit.updates
	err := p.batch.Close()
	p.batch = nil
	return err
}

// forgetRun drops a run that was rewritten from the cache.
func (s *Store) forgetRun(ino Inode) {
	if r, err := s.runOf(ino); err == nil {
		s.runs.remove(r.first)
	}
}
