package cache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// scratchFiles are the files of a segment while they are fetched: what was listed of
// them, and where their contents stand in a file. They are sorted already, and need no database:
// that has only files that are gone, failed or replaced.
type scratchFiles struct {
	s     *Store
	first Inode
	// contents has the records of what came, in the order in which it was committed.
	contents vfs.File
	size     int64 // of contents; who commits has it
	// heads are the values of the listed entries, each after its length, and heads[at[k]] that
	// of the number first+k; at[k] is 0 where that is no file.
	heads []byte
	at    []uint32
	// order are the numbers of the files, from first on, as their keys are sorted.
	order []uint32
	runs  []scratchRun // in the order of their numbers
	mu    struct {
		sync.Mutex
		// content is by number one more than where the record of its content begins.
		// 0: nothing was decided of it.
		content []uint64
	}
}

// scratchRun is a run as the segment's names have it.
type scratchRun struct {
	parent, first Inode
	run
}

// scratchElsewhere is the content of a file that the database has, or that is gone.
const scratchElsewhere = math.MaxUint64

func (s *Store) newScratchFiles(c NameCounts) (*scratchFiles, error) {
	file, err := s.opts.FS.OpenReadWrite(s.opts.FS.PathJoin(s.opts.Dir, "contents"), vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, s.room.refused(err)
	}
	n := c.Spare - c.First
	f := &scratchFiles{s: s, first: c.First, contents: file, heads: []byte{0}, at: make([]uint32, n)}
	f.mu.content = make([]uint64, n)
	return f, nil
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
	f.addHead(value)
	return true, nil
}

func (f *scratchFiles) addHead(value []byte) {
	f.heads = binary.AppendUvarint(f.heads, uint64(len(value)))
	f.heads = append(f.heads, value...)
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
		if r.value == nil { // see shrink
			continue
		}
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

// shrink forgets what was listed of files of which it is decided what becomes of them. The caller has
// commit.
func (f *scratchFiles) shrink() {
	f.mu.Lock()
	defer f.mu.Unlock()
	heads := f.heads
	f.heads = []byte{0}
	for k, at := range f.at {
		if f.at[k] = 0; at == 0 || f.mu.content[k] != 0 {
			continue
		}
		f.at[k] = uint32(len(f.heads))
		d := decoder{rest: heads[at:]}
		f.addHead(d.bytes(d.uvarint()))
	}
	for k := range f.runs {
		r := &f.runs[k]
		at := int(r.first - f.first)
		if !slices.ContainsFunc(f.at[at:at+r.n], func(at uint32) bool { return at != 0 }) {
			r.value, r.restarts = nil, nil
		}
	}
}
