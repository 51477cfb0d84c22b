package cache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/cespare/xxhash/v2"
)

// Table is a carried table: a row of keys and values of a store, in their order, on its way
// to another store. It has its own simple form, and not the database's, whose reader trusts
// what it reads:
//
//	tableMagic
//	n ×    uvarint  length that the key shares with the one before
//	       uvarint  length of the rest of the key, never 0
//	       uvarint  length of the value
//	       the rest of the key, the value
//	2 ×    0
//
// Whoever takes it compares its sum, and checks each key and value; see check.go.
type Table struct {
	io.ReaderAt
	Size int64  // in bytes
	Sum  uint64 // XXH64 of all of it
}

const tableMagic = "motefs table 1\n"

const (
	// maxTableValue is the longest value that is taken, in bytes: that of a run of
	// MaxPage names, or of an entry with its content.
	maxTableValue = 2 << 20
	// tableBuffer is how much of a table is written or read at once, in bytes.
	tableBuffer = 256 << 10
)

// tableWriter makes a table.
type tableWriter struct {
	buf  []byte
	prev []byte
	// to takes what was gathered; nil: all is kept in buf.
	to   io.Writer
	size int64 // of what to has
	sum  xxhash.Digest
}

func newTableWriter(buf []byte, to io.Writer) *tableWriter {
	w := &tableWriter{buf: append(buf[:0], tableMagic...), to: to}
	w.sum.Reset()
	return w
}

// add adds a key, which comes after all before, with a value in two parts.
func (w *tableWriter) add(key, head, body []byte) error {
	shared := sharedBytes(w.prev, key)
	if shared == len(key) || shared < len(w.prev) && w.prev[shared] > key[shared] {
		return fmt.Errorf("make a table: key %q does not come after %q", key, w.prev) // a bug, if ever
	}
	w.buf = binary.AppendUvarint(w.buf, uint64(shared))
	w.buf = binary.AppendUvarint(w.buf, uint64(len(key)-shared))
	w.buf = binary.AppendUvarint(w.buf, uint64(len(head)+len(body)))
	w.buf = append(w.buf, key[shared:]...)
	w.buf = append(w.buf, head...)
	w.buf = append(w.buf, body...)
	w.prev = append(w.prev[:shared], key[shared:]...)
	if w.to != nil && len(w.buf) >= tableBuffer {
		return w.flush()
	}
	return nil
}

func sharedBytes(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for i+8 <= n && binary.LittleEndian.Uint64(a[i:]) == binary.LittleEndian.Uint64(b[i:]) {
		i += 8
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

func (w *tableWriter) flush() error {
	_, _ = w.sum.Write(w.buf) // it never fails
	n, err := w.to.Write(w.buf)
	w.size += int64(n)
	w.buf = w.buf[:0]
	return err
}

// length is how long the table is so far, in bytes.
func (w *tableWriter) length() int64 { return w.size + int64(len(w.buf)) }

// end ends the table and returns its length and its sum.
func (w *tableWriter) end() (size int64, sum uint64, err error) {
	w.buf = append(w.buf, 0, 0)
	if w.to != nil {
		err = w.flush()
		return w.size, w.sum.Sum64(), err
	}
	_, _ = w.sum.Write(w.buf)
	return int64(len(w.buf)), w.sum.Sum64(), nil
}

// tableReader reads a table, of which nothing is trusted.
type tableReader struct {
	t          Table
	off        int64 // read of it
	buf        []byte
	from       int // what is read and not taken stands from there on
	sum        xxhash.Digest
	key, value []byte // of the record on which it stands, until next
	begun      bool
}

func newTableReader(t Table) *tableReader {
	r := &tableReader{t: t, buf: make([]byte, 0, min(tableBuffer, max(t.Size, 64)))}
	r.sum.Reset()
	return r
}

// errTable is an ErrTable.
func errTable(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrTable, fmt.Sprintf(format, args...))
}

// need has n bytes stand in the buffer, or as many as there are.
func (r *tableReader) need(n int) error {
	if len(r.buf)-r.from >= n {
		return nil
	}
	left := copy(r.buf[:cap(r.buf)], r.buf[r.from:])
	r.buf, r.from = r.buf[:left], 0
	if n > cap(r.buf) {
		r.buf = append(make([]byte, 0, n+tableBuffer), r.buf...)
	}
	end := min(int64(cap(r.buf)), int64(left)+r.t.Size-r.off)
	into := r.buf[left:end]
	if len(into) == 0 {
		return nil
	}
	got, err := r.t.ReadAt(into, r.off)
	if got < len(into) {
		if err == nil || errors.Is(err, io.EOF) {
			return errTable("it ends at %d of %d bytes", r.off+int64(got), r.t.Size)
		}
		return fmt.Errorf("read table: %w", err)
	}
	_, _ = r.sum.Write(into)
	r.off += int64(got)
	r.buf = r.buf[:end]
	return nil
}

// next moves to the next record; false: that was the last, and the sum is right.
func (r *tableReader) next() (bool, error) {
	if !r.begun {
		r.begun = true
		if err := r.need(len(tableMagic)); err != nil {
			return false, err
		}
		if !bytes.HasPrefix(r.buf[r.from:], []byte(tableMagic)) {
			return false, errTable("it does not begin as one")
		}
		r.from += len(tableMagic)
	}
	if err := r.need(3 * binary.MaxVarintLen64); err != nil {
		return false, err
	}
	d := decoder{rest: r.buf[r.from:]}
	shared, rest := d.uvarint(), d.uvarint()
	if d.bad {
		return false, errTable("it breaks off")
	}
	if rest == 0 {
		return false, r.end(shared, len(d.rest))
	}
	size := d.uvarint()
	if d.bad || shared > uint64(len(r.key)) || rest > uint64(entryKeyLen+MaxComponent) || shared+rest > uint64(entryKeyLen+MaxComponent) || size > maxTableValue {
		return false, errTable("a record at %d does not decode", r.off-int64(len(d.rest)))
	}
	r.from = len(r.buf) - len(d.rest)
	if err := r.need(int(rest + size)); err != nil {
		return false, err
	}
	if uint64(len(r.buf)-r.from) < rest+size {
		return false, errTable("it breaks off")
	}
	suffix := r.buf[r.from : r.from+int(rest)]
	if uint64(len(r.key)) > shared && bytes.Compare(r.key[shared:], suffix) >= 0 {
		return false, errTable("its keys do not ascend")
	}
	r.key = append(r.key[:shared], suffix...)
	r.from += int(rest)
	r.value = r.buf[r.from : r.from+int(size)]
	r.from += int(size)
	return true, nil
}

func (r *tableReader) end(shared uint64, behind int) error {
	if shared != 0 || behind != 0 || r.off != r.t.Size {
		return errTable("there is something behind its end")
	}
	if sum := r.sum.Sum64(); sum != r.t.Sum {
		return errTable("it has the sum %016x and should have %016x", sum, r.t.Sum)
	}
	return nil
}
