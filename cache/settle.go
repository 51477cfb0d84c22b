package cache

import (
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// settle leaves the name to what the store has: the entry whose value is raw, nil for
// none. What is in the batch for it is undone.
func (p *Page) settle(slot *slot, raw []byte) error {
	if slot.state == slotCame {
		if err := p.restore(slot, raw); err != nil {
			return err
		}
	}
	if slot.blob != 0 {
		if err := p.s.blobs.remove(slot.blob); err != nil {
			return err
		}
		slot.blob = 0
	}
	slot.state, slot.late = slotSettled, nil
	return nil
}

// restore puts the value that the store has of the slot's name into the batch.
func (p *Page) restore(slot *slot, raw []byte) error {
	key := appendEntryKey(nil, slot.parent, slot.name)
	if raw == nil {
		return p.batch.Delete(key, nil)
	}
	return p.batch.Set(key, slices.Clone(raw), nil)
}

// escape moves a file to the other form of its name because a directory, whose entry
// is dir, has it.
func (p *Page) escape(slot *slot, dir []byte) error {
	name := OtherForm(slot.name)
	if slot.state == slotCame {
		e, body, err := p.inBatchEntry(slot.parent, slot.name)
		if err != nil {
			return err
		}
		if err := p.restore(slot, dir); err != nil {
			return err
		}
		if name != "" {
			if err := p.set(slot.parent, name, &e, body); err != nil {
				return err
			}
		}
	}
	if name == "" {
		slot.dropped, slot.state = true, slotSettled
		return nil
	}
	slot.name = name
	return nil
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
