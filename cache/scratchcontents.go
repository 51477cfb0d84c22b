package cache

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"
)

// The contents of a segment's files stand in one file, scratchFiles.contents, as they come: a
// record each, which is
//
//	uint32   length of what follows
//	uint32   number of the file, from the segment's first on
//	uvarint  length of the key
//	         key and value of its entry
//
// integers little endian. They are sorted by what scratchFiles have in memory, when they are exported.

// recordHead is how long the two numbers are with which a record begins, in bytes.
const recordHead = 8

// appendRecord adds the content of the file with the number first+k.
func appendRecord(dst []byte, k uint32, parent Inode, name string, e *Entry, body []byte) []byte {
	begin := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, k)
	dst = binary.AppendUvarint(dst, uint64(entryKeyLen+len(name)))
	dst = appendEntryKey(dst, parent, name)
	dst = append(appendEntryHead(dst, e), body...)
	binary.LittleEndian.PutUint32(dst[begin:], uint32(len(dst)-begin-4))
	return dst
}

// recordLen is how long the record is that begins with head.
func recordLen(head []byte) int { return 4 + int(binary.LittleEndian.Uint32(head)) }

// splitRecord is the key and the value of a record.
func splitRecord(record []byte) (key, value []byte) {
	d := decoder{rest: record[recordHead:]}
	key = d.bytes(d.uvarint())
	return key, d.rest
}

// recordBuffers are for those of a page, of at most about batchLimit bytes each.
var recordBuffers = sync.Pool{New: func() any { return new([]byte) }}

// put adds a content to those of a page that wait to be committed.
func (f *scratchFiles) put(p *Page, slot *slot, e *Entry, body []byte) {
	if p.records == nil {
		p.records = recordBuffers.Get().(*[]byte)
	}
	*p.records = appendRecord(*p.records, uint32(slot.inode-f.first), slot.parent, slot.name, e, body)
}

// write writes the contents of a page, which count once they are committed. The caller has commit.
func (f *scratchFiles) write(p *Page) error {
	if p.records == nil {
		return nil
	}
	p.recordsAt = f.size
	if _, err := f.contents.WriteAt(*p.records, f.size); err != nil { // what was written of it is written over
		return f.s.room.refused(fmt.Errorf("write contents of store %s: %w", f.s.opts.Dir, err))
	}
	f.size += int64(len(*p.records))
	return nil
}

// commit takes what a page has committed; replaced are the numbers that files had before.
func (f *scratchFiles) commit(p *Page, replaced []Inode) {
	f.mu.Lock()
	defer f.mu.Unlock()
	decided := func(ino Inode) {
		if f.has(ino) {
			f.mu.content[ino-f.first] = scratchElsewhere
		}
	}
	for _, ino := range replaced {
		decided(ino)
	}
	for k := range p.slots {
		if slot := &p.slots[k]; slot.state == slotCame || slot.state == slotMissing {
			decided(slot.inode)
		}
	}
	if p.records == nil {
		return
	}
	for at := 0; at < len(*p.records); {
		record := (*p.records)[at:]
		f.mu.content[binary.LittleEndian.Uint32(record[4:])] = uint64(p.recordsAt) + uint64(at) + 1
		at += recordLen(record)
	}
	*p.records = (*p.records)[:0]
	recordBuffers.Put(p.records)
	p.records = nil
}

const (
	// recordsAhead is how many bytes of contents are read at a time where a record follows the one
	// before, and recordsAside, or the record, where it does not.
	recordsAhead = 256 << 10
	recordsAside = 4 << 10
)

// contentCursor goes over the contents that came, in the order of their keys.
type contentCursor struct {
	f          *scratchFiles
	at         int    // in order
	key, value []byte // nil at the end; valid until next
	buf        []byte // of contents
	off        int64  // where it begins
	end        int64  // where the record before ends
}

func (c *contentCursor) next() error {
	c.key, c.value = nil, nil
	for c.at < len(c.f.order) && c.key == nil {
		place := c.f.mu.content[c.f.order[c.at]]
		c.at++
		if place == 0 || place == scratchElsewhere {
			continue
		}
		at := int64(place - 1)
		head, err := c.bytes(at, recordHead)
		if err != nil {
			return err
		}
		record, err := c.bytes(at, recordLen(head))
		if err != nil {
			return err
		}
		c.key, c.value = splitRecord(record)
		c.end = at + int64(len(record))
	}
	return nil
}

// bytes are n bytes of contents, valid until it is called again.
func (c *contentCursor) bytes(at int64, n int) ([]byte, error) {
	if at < c.off || at+int64(n) > c.off+int64(len(c.buf)) {
		much := recordsAside
		if at == c.end {
			much = recordsAhead
		}
		much = int(min(int64(max(much, n)), c.f.size-at))
		if cap(c.buf) < much {
			c.buf = make([]byte, max(much, recordsAhead))
		}
		c.buf, c.off = c.buf[:much], at
		if _, err := io.ReadFull(io.NewSectionReader(c.f.contents, at, int64(much)), c.buf); err != nil {
			return nil, fmt.Errorf("read contents of store %s: %w", c.f.s.opts.Dir, err)
		}
	}
	return c.buf[at-c.off:][:n], nil
}
