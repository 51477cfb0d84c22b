package cache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// scratchFiles are the files of a segment while they are fetched: what was listed of
// them, and short contents that came. They are sorted already, and need no database: that
// has only what came beyond scratchContents, and of files that are gone, failed or replaced.
type scratchFiles struct {
	first Inode
	// heads are the values of the listed entries, each after its length, and heads[at[k]] that
	// of the number first+k; at[k] is 0 where that is no file.
	heads []byte
	at    []uint32
	// order are the numbers of the files, from first on, as their keys are sorted.
	order []uint32
	runs  []scratchRun // in the order of their numbers
	full  atomic.Bool  // something did not fit
	room  int          // for contents in memory, in bytes
	// piece is about how much one page has of contents, in bytes.
	piece atomic.Int64
	mu    struct {
		sync.Mutex
		pieces [][]byte
		size   int // of all pieces
		// content says by number where the record of its content stands: the piece and the
		// place in it. 0: nothing was decided of it.
		content []uint64
	}
}

// scratchRun is a run as the segment's names have it.
type scratchRun struct {
	parent, first Inode
	run
}

const (
	// scratchContents bounds the contents of a segment that are in memory, in bytes.
	scratchContents = 16 << 20
	// scratchShort is the longest content that is kept there, in bytes.
	scratchShort = 4 << 10
	// scratchElsewhere is the content of a file that the database has, or that is gone.
	scratchElsewhere = math.MaxUint64
	// recordNumber is how long the number is with which the record of a content begins; its
	// key and its value follow, each after its length.
	recordNumber = 4
)

func newScratchFiles(c NameCounts) *scratchFiles {
	n := c.Spare - c.First
	f := &scratchFiles{first: c.First, room: scratchContents, heads: []byte{0}, at: make([]uint32, n)}
	f.mu.content = make([]uint64, n)
	return f
}

// entry takes an entry of the names, which come checked and in the order of their keys; taken
// is false where it is not of a file.
func (f *scratchFiles) entry(value []byte) (taken bool, err error) {
	if value[0]&entryDir != 0 {
		return false, nil
	}
	if len(f.heads) > math.MaxUint32 {
		return false, errTable("its entries are longer than %d bytes", math.MaxUint32)
	}
	ino, _ := binary.Uvarint(value[1:])
	k := uint32(ino - uint64(f.first))
	f.at[k] = uint32(len(f.heads))
	f.order = append(f.order, k)
	f.heads = binary.AppendUvarint(f.heads, uint64(len(value)))
	f.heads = append(f.heads, value...)
	return true, nil
}

// run takes a run of files.
func (f *scratchFiles) run(parent, first Inode, value []byte) error {
	r, err := decodeRun(bytes.Clone(value))
	if err == nil && r.kind == File {
		f.runs = append(f.runs, scratchRun{parent, first, r})
	}
	return err
}

func (f *scratchFiles) sort() {
	slices.SortFunc(f.runs, func(a, b scratchRun) int { return int(a.first) - int(b.first) })
}

// has reports whether a number is that of a file as it was listed.
func (f *scratchFiles) has(ino Inode) bool {
	return ino >= f.first && ino-f.first < Inode(len(f.at)) && f.at[ino-f.first] != 0
}

// head is the value of a listed entry.
func (f *scratchFiles) head(ino Inode) []byte {
	d := decoder{rest: f.heads[f.at[ino-f.first]:]}
	return d.bytes(d.uvarint())
}

// pending is Store.Pending for files as they were listed.
func (f *scratchFiles) pending(s *Store, from, limit Inode, most int) (page *Page, next Inode, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	page = &Page{s: s, event: onListed, alone: true, slots: make([]slot, 0, most)}
	g := &gatherer{s: s, page: page}
	at, _ := slices.BinarySearchFunc(f.runs, from, func(r scratchRun, from Inode) int { return int(r.first) + r.n - 1 - int(from) })
	next = limit
	for ; at < len(f.runs) && next == limit; at++ {
		r := &f.runs[at]
		var inner error
		if err := r.each(max(int(from)-int(r.first), 0), func(k int, name []byte) bool {
			ino := r.first + Inode(k)
			if ino >= limit {
				return false
			}
			if f.mu.content[ino-f.first] != 0 || !f.has(ino) {
				return true
			}
			if len(page.slots) == most {
				next = ino
				return false
			}
			var e Entry
			if e, inner = decodeEntry(f.head(ino)); inner == nil {
				inner = g.add(r.parent, name, &e)
			}
			return inner == nil
		}); err != nil || inner != nil {
			return nil, 0, errors.Join(err, inner)
		}
	}
	if len(page.slots) == 0 {
		return nil, next, nil
	}
	return page, next, nil
}

// appendRecord adds the content of the file with the number first+k.
func appendRecord(dst []byte, k uint32, parent Inode, name string, e *Entry, body []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, k)
	dst = binary.AppendUvarint(dst, uint64(entryKeyLen+len(name)))
	dst = appendEntryKey(dst, parent, name)
	dst = binary.AppendUvarint(dst, uint64(entryHeadLen(e)+len(body)))
	return append(appendEntryHead(dst, e), body...)
}

// record takes the next record off.
func (d *decoder) record() (k uint32, key, value []byte) {
	if number := d.bytes(recordNumber); number != nil {
		k = binary.LittleEndian.Uint32(number)
	}
	key = d.bytes(d.uvarint())
	return k, key, d.bytes(d.uvarint())
}

// put adds a content to those of a page that wait to be committed; false: it is for the
// database, as it is long, or there is no room.
func (f *scratchFiles) put(p *Page, slot *slot, e *Entry, body []byte) bool {
	if len(body) > scratchShort || f.full.Load() {
		return false
	}
	if p.piece == nil {
		p.piece = make([]byte, 0, max(f.piece.Load(), 4<<10))
	}
	p.piece = appendRecord(p.piece, uint32(slot.inode-f.first), slot.parent, slot.name, e, body)
	return true
}

// spill puts the contents of a page into its batch where there is no room for them here.
func (f *scratchFiles) spill(p *Page) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(p.piece) == 0 || f.mu.size+len(p.piece) <= f.room {
		return nil
	}
	f.full.Store(true)
	for d := (decoder{rest: p.piece}); len(d.rest) > 0; {
		_, key, value := d.record()
		if err := p.batch.Set(key, value, nil); err != nil {
			return err
		}
	}
	p.piece = nil
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
	if len(p.piece) == 0 {
		return
	}
	f.piece.Store(int64(len(p.piece)))
	piece := slices.Clip(p.piece)
	if cap(p.piece)-len(piece) > len(piece)/4 {
		piece = bytes.Clone(piece)
	}
	p.piece = nil
	at := uint64(len(f.mu.pieces)) << 32
	f.mu.pieces, f.mu.size = append(f.mu.pieces, piece), f.mu.size+len(piece)
	for d := (decoder{rest: piece}); len(d.rest) > 0; {
		place := at | uint64(len(piece)-len(d.rest)+1) // it is not 0
		k, _, _ := d.record()
		f.mu.content[k] = place
	}
}

// contentCursor goes over the contents that are in memory, in the order of their keys.
type contentCursor struct {
	f          *scratchFiles
	at         int    // in order
	key, value []byte // nil at the end
}

func (c *contentCursor) next() {
	c.key, c.value = nil, nil
	for c.at < len(c.f.order) && c.key == nil {
		place := c.f.mu.content[c.f.order[c.at]]
		c.at++
		if place == 0 || place == scratchElsewhere {
			continue
		}
		d := decoder{rest: c.f.mu.pieces[place>>32][uint32(place)-1:]}
		_, c.key, c.value = d.record()
	}
}
