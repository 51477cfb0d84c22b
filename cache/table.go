package cache

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/sstable/block"
	"github.com/cockroachdb/pebble/v2/sstable/block/blockkind"
	"github.com/cockroachdb/pebble/v2/sstable/colblk"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// span is a row of keys, from lower on and below upper.
type span struct{ lower, upper []byte }

func (s span) overlaps(o span) bool {
	return bytes.Compare(s.lower, o.upper) < 0 && bytes.Compare(o.lower, s.upper) < 0
}

// behind is the key that comes next after key.
func behind(key []byte) []byte { return append(slices.Clone(key), 0) }

// table reads one of the database's table files by itself, around what is damaged
// in it. The database can not: it ends an iteration at the first bad block.
type table struct {
	r    *sstable.Reader
	file *brokenFile
	// parts are the stretches of good blocks, in order, and lost what lies between;
	// at most maxLost of these.
	parts, lost []span
	// what says what is damaged, a line each.
	what []string
}

// maxLost bounds the damaged stretches that are told apart in one table; more of
// them count as one.
const maxLost = 64

// openTable opens and checks a table: the checksum of every block. The error is
// ErrCorrupt where nothing in it can be read, or the disk's.
func openTable(fs vfs.FS, o sstable.ReaderOptions, path string) (*table, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	readable, err := sstable.NewSimpleReadable(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	t := &table{file: &brokenFile{Readable: readable}}
	if t.r, err = sstable.NewReader(context.Background(), t.file, o); err != nil {
		return nil, errors.Join(unreadable(err), f.Close())
	}
	if err = t.check(); err != nil {
		return nil, errors.Join(unreadable(err), t.close())
	}
	return t, nil
}

// unreadable makes an error in a table's own structure, of which some are nothing
// else, ErrCorrupt.
func unreadable(err error) error {
	if NoRoom(err) || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

func (t *table) close() error { return t.r.Close() }

// check finds the blocks that are damaged.
func (t *table) check() error {
	top, err := t.topIndex()
	if err != nil {
		return err
	}
	c := &checker{table: t, whole: true}
	if t.r.Attributes.Has(sstable.AttributeTwoLevelIndex) {
		err = t.index(top, func(separator []byte, part block.Handle) error {
			err := t.file.validate(part)
			if errors.Is(err, ErrCorrupt) {
				return c.block(separator, part, err)
			}
			if err == nil {
				err = t.index(part, c.data)
			}
			return err
		})
	} else {
		err = t.index(top, c.data)
	}
	if err != nil {
		return err
	}
	return t.checkOthers(top)
}

// topIndex is the block from which all that have keys are found. The footer has a
// byte that says which checksum is used, and where the index of other blocks is,
// before it.
func (t *table) topIndex() (h block.Handle, err error) {
	format, err := t.r.TableFormat()
	if err != nil {
		return h, err
	}
	footer := make([]byte, format.FooterSize())
	if err := t.file.ReadAt(context.Background(), footer, t.file.Size()-int64(len(footer))); err != nil {
		return h, err
	}
	d := decoder{rest: footer[1:]}
	d.uvarint()
	d.uvarint()
	h.Offset, h.Length = d.uvarint(), d.uvarint()
	return h, t.file.validate(h)
}

// checker goes through the blocks with keys, in their order.
type checker struct {
	*table
	n     int
	lower []byte // of the part that goes on
	whole bool   // the block before is
}

func (c *checker) data(separator []byte, h block.Handle) error {
	return c.block(separator, h, c.file.validate(h))
}

// block notes whether the next block is damaged; its keys are at most separator.
func (c *checker) block(separator []byte, h block.Handle, err error) error {
	c.n++
	switch {
	case err == nil && !c.whole:
		c.lower, c.whole = c.lost[len(c.lost)-1].upper, true
	case err != nil && !errors.Is(err, ErrCorrupt):
		return err
	case err != nil:
		c.what = append(c.what, fmt.Sprintf("block %d, %d bytes at %d", c.n, h.Length, h.Offset))
		c.file.bad = append(c.file.bad, h)
		if c.whole {
			c.lose(c.lower)
			c.whole = false
		}
	}
	if c.whole {
		c.grow(c.lower, behind(separator))
	} else {
		c.lost[len(c.lost)-1].upper = behind(separator)
	}
	return nil
}

// grow has the last part, which begins at lower, end at upper.
func (t *table) grow(lower, upper []byte) {
	if n := len(t.parts); n > 0 && bytes.Equal(t.parts[n-1].lower, lower) {
		t.parts[n-1].upper = upper
		return
	}
	t.parts = append(t.parts, span{lower, upper})
}

// lose begins a stretch that is damaged, behind the part that begins at lower.
func (t *table) lose(lower []byte) {
	from := lower
	if n := len(t.parts); n > 0 && bytes.Equal(t.parts[n-1].lower, lower) {
		from = t.parts[n-1].upper
	}
	if len(t.lost) < maxLost {
		t.lost = append(t.lost, span{lower: from})
		return
	}
	// As one with the stretch before, and what is between.
	t.parts = slices.DeleteFunc(t.parts, func(p span) bool { return bytes.Compare(p.lower, t.lost[maxLost-1].lower) >= 0 })
}

// index calls fn for each entry of an index block.
func (t *table) index(h block.Handle, fn func(separator []byte, handle block.Handle) error) error {
	value, err := t.r.BlockReader().Read(context.Background(), block.NoReadEnv, nil, h, blockkind.Metadata, func(*block.Metadata, []byte) error { return nil })
	if err != nil {
		return err
	}
	defer value.Release()
	var it colblk.IndexIter
	if err := it.Init(t.r.Comparer, value.BlockData(), block.NoTransforms); err != nil {
		return err
	}
	for valid := it.First(); valid; valid = it.Next() {
		entry, err := it.BlockHandleWithProperties()
		if err != nil {
			return err
		}
		if err := fn(slices.Clone(it.Separator()), entry.Handle); err != nil {
			return err
		}
	}
	return nil
}

// checkOthers checks the blocks that hold no keys.
func (t *table) checkOthers(top block.Handle) error {
	l, err := t.r.Layout()
	if err != nil {
		if len(t.file.bad) > 0 {
			return nil // a part of the index, which was met before
		}
		return err
	}
	others := []block.Handle{top, l.RangeDel, l.RangeKey, l.Properties, l.MetaIndex}
	for _, filter := range l.Filter {
		others = append(others, filter.Handle)
	}
	for _, h := range others {
		if h.Length == 0 {
			continue
		}
		if err := t.file.validate(h); errors.Is(err, ErrCorrupt) {
			t.what = append(t.what, fmt.Sprintf("a block without keys, %d bytes at %d", h.Length, h.Offset))
		} else if err != nil {
			return err
		}
	}
	return nil
}

// records calls fn for every key that can be read and its value; deleted: with a
// mark of deletion instead.
func (t *table) records(fn func(key, value []byte, deleted bool) error) error {
	it, err := t.r.NewIter(block.NoTransforms, nil, nil, sstable.AssertNoBlobHandles)
	if err != nil {
		return unreadable(err)
	}
	err = t.each(it, fn)
	if closed := it.Close(); !errors.Is(closed, errBadBlock) {
		err = errors.Join(err, closed)
	}
	return err
}

func (t *table) each(it sstable.Iterator, fn func(key, value []byte, deleted bool) error) error {
	for _, part := range t.parts {
		kv := it.First()
		if part.lower != nil {
			kv = it.SeekGE(part.lower, 0)
		}
		for ; kv != nil && bytes.Compare(kv.K.UserKey, part.upper) < 0; kv = it.Next() {
			kind := kv.K.Kind()
			deleted := kind != pebble.InternalKeyKindSet && kind != pebble.InternalKeyKindSetWithDelete
			var value []byte
			if !deleted {
				var err error
				if value, _, err = kv.Value(nil); err != nil {
					return unreadable(err)
				}
			}
			if err := fn(kv.K.UserKey, value, deleted); err != nil {
				return err
			}
		}
		// The iterator reads on into the bad block behind the part.
		if err := it.Error(); err != nil && !errors.Is(err, errBadBlock) {
			return unreadable(err)
		}
	}
	return nil
}

// bounds are the first and the last key that can be read.
func (t *table) bounds() (first, last []byte, err error) {
	it, err := t.r.NewIter(block.NoTransforms, nil, nil, sstable.AssertNoBlobHandles)
	if err != nil {
		return nil, nil, unreadable(err)
	}
	if kv := it.First(); kv != nil {
		first = slices.Clone(kv.K.UserKey)
	}
	if kv := it.Last(); kv != nil {
		last = slices.Clone(kv.K.UserKey)
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return nil, nil, unreadable(err)
	}
	return first, last, nil
}

// errBadBlock is met where a block that is known to be damaged is read.
var errBadBlock = errors.New("damaged block")

// brokenFile is a table file that fails at once where it is known to be damaged:
// the database's own check then looks which bit was flipped, for a second.
type brokenFile struct {
	objstorage.Readable
	bad []block.Handle
	buf []byte
}

func (f *brokenFile) ReadAt(ctx context.Context, p []byte, off int64) error {
	for _, h := range f.bad {
		if uint64(off) < h.Offset+h.Length && h.Offset < uint64(off)+uint64(len(p)) {
			return errBadBlock
		}
	}
	return f.Readable.ReadAt(ctx, p, off)
}

// NewReadHandle has reads go through ReadAt.
func (f *brokenFile) NewReadHandle(objstorage.ReadBeforeSize) objstorage.ReadHandle {
	rh := objstorage.MakeNoopReadHandle(f)
	return &rh
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// validate compares a block with its checksum: behind the block are a byte that
// says how it is compressed, and the masked CRC of both.
func (f *brokenFile) validate(h block.Handle) error {
	size := h.Length + block.TrailerLen
	if end := uint64(f.Size()); h.Offset > end || size > end-h.Offset {
		return fmt.Errorf("%w: block outside its file", ErrCorrupt)
	}
	f.buf = slices.Grow(f.buf[:0], int(size))[:size]
	if err := f.Readable.ReadAt(context.Background(), f.buf, int64(h.Offset)); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	sum := crc32.Checksum(f.buf[:h.Length+1], castagnoli)
	if bits.RotateLeft32(sum, 17)+0xa282ead8 != binary.LittleEndian.Uint32(f.buf[h.Length+1:]) {
		return fmt.Errorf("%w: checksum", ErrCorrupt)
	}
	return nil
}
