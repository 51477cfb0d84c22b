package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ExportTo takes what Export makes.
type ExportTo struct {
	// Table takes a table of contents, whose number is from 1 on, or at last, with the number
	// 0, that of the outcome. last is the key of its last entry. The table is valid until it
	// returns.
	Table func(part int, t Table, last []byte) error
	// Blob takes a content in a file of its own. It is valid until the store is closed.
	Blob func(ExportedBlob) error
}

// ExportedBlob is the file of a content, with the sums behind it; see PutBlob.
type ExportedBlob struct {
	Inode Inode
	Size  int64 // of the file, in bytes
	s     *Store
	id    uint64
}

// Open opens the file.
func (b ExportedBlob) Open() (interface {
	io.ReaderAt
	io.Closer
}, error) {
	return b.s.opts.FS.Open(b.s.blobs.path(shardName(b.id), blobName(b.id)))
}

// A table of contents is downloaded as a whole by who reads one file of it. So the first ones are
// short; but as each costs a row in manifests, they get longer where a segment has more: one of 4 GiB
// has 81, and 512 if all were as short as the first.
const (
	// shortTable is about how long the first shortTables tables of contents are, in bytes; as
	// many after them are twice as long, and so on to longTable.
	shortTable, longTable = 8 << 20, 64 << 20
	shortTables           = 8
)

// tableLength is about how long the part-th table of contents is, in bytes.
func tableLength(part int) int64 {
	length := int64(shortTable)
	for ; part > shortTables && length < longTable; part -= shortTables {
		length *= 2
	}
	return length
}

// ErrUnsettled says that a file of a scratch store is neither here nor gone, and has not
// failed.
var ErrUnsettled = errors.New("not all files of the segment are settled")

// Export hands over what a scratch store has of the contents of its segment, and returns
// how much that is. Nothing may be committed meanwhile. The error is ErrUnsettled, ctx's,
// that of to, or the store's.
func (s *Store) Export(ctx context.Context, to ExportTo) (ContentCounts, error) {
	if s.scratch == nil {
		return ContentCounts{}, errors.New("only a scratch store can be exported")
	}
	x := &exporter{s: s, ctx: ctx, to: to, c: s.scratch.counts, spare: map[Inode]Inode{}}
	err := x.entries()
	if err == nil {
		err = x.failures()
	}
	if err == nil {
		err = x.runs()
	}
	if err == nil {
		err = x.outcome()
	}
	return x.counts, errors.Join(err, x.close())
}

type exporter struct {
	s      *Store
	ctx    context.Context
	to     ExportTo
	c      NameCounts
	counts ContentCounts
	// spare are the spare numbers of files that have another than was listed, and records
	// are those of the outcome.
	spare   map[Inode]Inode
	records []keyValue
	// regone are the keys of files that had another number before they were gone.
	regone [][]byte
	w      *tableWriter
	file   vfs.File
	parts  int
	buf    []byte
	head   []byte
}

func (x *exporter) entries() error {
	here := contentCursor{f: x.s.scratch.files}
	if err := here.next(); err != nil {
		return err
	}
	// before exports contents that come before key, or all.
	before := func(key []byte) error {
		for here.key != nil && (key == nil || bytes.Compare(here.key, key) < 0) {
			if err := errors.Join(x.entry(here.key, here.value), here.next()); err != nil {
				return err
			}
		}
		return nil
	}
	err := eachKey(x.s.db, keyEntry, "export contents", func(key, value []byte) error {
		return errors.Join(before(key), x.entry(key, value))
	})
	if err == nil {
		err = before(nil)
	}
	if err == nil && x.w != nil {
		err = x.endPart()
	}
	return err
}

func (x *exporter) entry(key, value []byte) error {
	e, err := decodeEntry(value)
	if err != nil || e.Kind == Dir {
		return err
	}
	if e.State == Gone {
		x.counts.Gone++
		if e.Inode >= x.c.End {
			x.regone = append(x.regone, bytes.Clone(key))
		} else {
			x.records = append(x.records, keyValue{bytes.Clone(key), bytes.Clone(value)})
		}
		return nil
	}
	if e.Inode >= x.c.End {
		if err := x.replaced(key, &e); err != nil {
			return err
		}
	}
	if e.State == Pending {
		return nil // see failures
	}
	x.counts.Fetched++
	x.counts.Bytes += uint64(e.Size)
	if e.State == Blob {
		x.counts.Blobs++
		if err := x.to.Blob(ExportedBlob{Inode: e.Inode, Size: BlobLen(e.Size), s: x.s, id: e.blob}); err != nil {
			return err
		}
		e.blob = uint64(e.Inode)
	}
	x.head = appendEntryHead(x.head[:0], &e)
	return x.content(key, x.head, e.Content)
}

// replaced gives a file a spare number, and its name a run.
func (x *exporter) replaced(key []byte, e *Entry) error {
	ino := x.c.Spare + Inode(len(x.spare))
	if ino >= x.c.End {
		return fmt.Errorf("%w: more files are replaced than the segment has", ErrCorrupt)
	}
	x.spare[e.Inode], e.Inode = ino, ino
	x.counts.Replaced++
	parent, name, _ := splitEntryKey(key)
	stub := Entry{Inode: ino, State: Pending, Size: e.Size, ModTime: e.ModTime, ETag: e.ETag}
	x.records = append(x.records, keyValue{bytes.Clone(key), appendEntryHead(nil, &stub)},
		keyValue{appendRunKey(nil, parent, ino), appendRun(nil, File, 1, func(int) (string, bool) { return string(name), true })},
		keyValue{appendRunIndexKey(nil, ino), appendRunIndex(nil, runIndex{parent: parent})})
	return nil
}

// content adds a content to the table that is being made.
func (x *exporter) content(key, head, body []byte) error {
	if x.w == nil {
		if err := x.beginPart(); err != nil {
			return err
		}
	}
	if err := x.w.add(key, head, body); err != nil {
		return x.s.room.refused(err)
	}
	if x.w.length() < tableLength(x.parts) {
		return nil
	}
	return x.endPart()
}

func (x *exporter) beginPart() (err error) {
	if err := x.ctx.Err(); err != nil {
		return context.Cause(x.ctx)
	}
	x.parts++
	path := x.s.opts.FS.PathJoin(x.s.opts.Dir, "export")
	if x.file, err = x.s.opts.FS.OpenReadWrite(path, vfs.WriteCategoryUnspecified); err != nil {
		return x.s.room.refused(err)
	}
	x.w = newTableWriter(x.buf, x.file)
	return nil
}

// endPart hands a table of contents over.
func (x *exporter) endPart() error {
	size, sum, err := x.w.end()
	if err != nil {
		return x.s.room.refused(err)
	}
	last := slices.Clone(x.w.prev)
	x.buf, x.w = x.w.buf, nil
	if err := x.to.Table(x.parts, Table{ReaderAt: x.file, Size: size, Sum: sum}, last); err != nil {
		return err
	}
	return x.close()
}

func (x *exporter) close() error {
	if x.file == nil {
		return nil
	}
	err := errors.Join(x.file.Close(), x.s.opts.FS.Remove(x.s.opts.FS.PathJoin(x.s.opts.Dir, "export")))
	x.file = nil
	return err
}

// failures exports the records of failure, after which all files must be accounted for.
func (x *exporter) failures() error {
	err := x.s.Failures(0, func(ino Inode, f Failure) bool {
		x.counts.Failed++
		if spare, ok := x.spare[ino]; ok {
			ino = spare
		}
		x.records = append(x.records, keyValue{appendFailedKey(nil, ino), f.append(nil)})
		return true
	})
	if c := &x.counts; err == nil && c.Fetched+c.Gone+c.Failed != x.c.Files {
		return fmt.Errorf("%w: %d of %d are", ErrUnsettled, c.Fetched+c.Gone+c.Failed, x.c.Files)
	}
	return err
}

// runs exports the runs of which names have gone.
func (x *exporter) runs() error {
	if x.counts.Gone+x.counts.Replaced == 0 {
		return nil
	}
	for _, r := range x.s.scratch.files.runs {
		key := appendRunKey(nil, r.parent, r.first)
		value, err := x.s.getString(key)
		if errors.Is(err, ErrNotFound) { // it has no names
			value = string(appendRun(nil, File, r.n, func(int) (string, bool) { return "", false }))
			err = nil
		}
		if err != nil {
			return err
		}
		now, err := decodeRun([]byte(value))
		if err != nil {
			return err
		}
		names, err := now.names()
		if err != nil {
			return err
		}
		if slices.Contains(names, "") {
			x.records = append(x.records, keyValue{key, []byte(value)})
		}
	}
	return nil
}

// outcome hands the outcome over.
func (x *exporter) outcome() error {
	if err := x.regones(); err != nil {
		return err
	}
	slices.SortFunc(x.records, func(a, b keyValue) int { return bytes.Compare(a.key, b.key) })
	var last []byte
	for k := len(x.records) - 1; k >= 0 && last == nil; k-- {
		if x.records[k].key[0] == keyEntry {
			last = x.records[k].key
		}
	}
	table, sum, err := tableFrom(x.records)
	if err != nil {
		return err
	}
	return x.to.Table(0, Table{ReaderAt: bytes.NewReader(table), Size: int64(len(table)), Sum: sum}, last)
}

// regones adds the files that had another number before they were gone, under those
// that they were listed with.
func (x *exporter) regones() error {
	if len(x.regone) == 0 {
		return nil
	}
	return eachRecord(x.ctx, x.s.scratch.table, func(key, value []byte) error {
		if len(x.regone) == 0 || !bytes.Equal(key, x.regone[0]) {
			return nil
		}
		e, err := decodeEntry(value)
		if err != nil {
			return err
		}
		gone := Entry{Inode: e.Inode, State: Gone, Size: -1, Fetched: x.s.opts.Now().Unix()}
		x.records = append(x.records, keyValue{bytes.Clone(key), appendEntryHead(nil, &gone)})
		x.regone = x.regone[1:]
		return nil
	})
}
