package cache

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// scratchOf makes a scratch store of files d/f00000 and so on, each of size bytes.
func scratchOf(t *testing.T, files int, size int64) (*Store, NameCounts) {
	t.Helper()
	var names []Name
	for k := range files {
		names = append(names, Name{Origin: fmt.Sprintf("d/f%05d", k), Size: size})
	}
	n := mustNumbering(t, nil)
	if taken, err := n.Add(names); taken != files || err != nil {
		t.Fatal(taken, err)
	}
	tables, err := n.Finish()
	if err != nil {
		t.Fatal(err)
	}
	s, err := OpenScratch(t.Context(), Options{Dir: filepath.Join(t.TempDir(), "scratch"), Reserve: -1}, TableOf(tables.Dirs), TableOf(tables.Files), TableOf(tables.Context), tables.Counts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, tables.Counts
}

// exportAll are the tables of contents of a scratch store, one behind the other.
func exportAll(t *testing.T, s *Store) (contents []byte, counts ContentCounts) {
	t.Helper()
	counts, err := s.Export(t.Context(), ExportTo{Table: func(part int, table Table, _ []byte) error {
		if part == 0 {
			return nil
		}
		b, err := io.ReadAll(io.NewSectionReader(table.ReaderAt, 0, table.Size))
		contents = append(contents, b...)
		return err
	}})
	if err != nil {
		t.Fatal(err)
	}
	return contents, counts
}

// TestShrink has all files of a segment come but a few, of which some have failed: what is remembered then is
// little, and those are asked for again, and come.
func TestShrink(t *testing.T) {
	const files, size, open, failed = 4000, 10, 1234, 2345
	s, c := scratchOf(t, files, size)
	f := s.scratch.files
	page, _, err := s.Pending(c.First, c.End, files)
	if err != nil {
		t.Fatal(err)
	}
	content := func(k int) []byte { return fmt.Appendf(nil, "%010d", k) }
	for k := range page.Len() {
		switch k {
		case open:
		case failed:
			page.Fail(k, MayPass, errors.New("not yet"))
		default:
			if err := page.Put(k, content(k), 5, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(page.Commit(), page.Close()); err != nil {
		t.Fatal(err)
	}
	before := len(f.heads)
	s.Shrink()
	if len(f.heads) > before/100 {
		t.Errorf("of %d bytes of heads %d are kept", before, len(f.heads))
	}
	for again := range 2 {
		if page, _, err = s.Pending(c.First, c.End, files); again > 0 {
			page, _, err = s.Failed(0, files)
		}
		if err != nil || page == nil {
			t.Fatal(page, err)
		}
		for k := range page.Len() {
			var number int
			if _, err := fmt.Sscanf(page.Name(k), "d/f%d", &number); err != nil || number != open && number != failed {
				t.Errorf("%q is asked for again, %v", page.Name(k), err)
			}
			if page.Open(k) && (number == open) == (again == 0) {
				if err := page.Put(k, content(number), 5, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := errors.Join(page.Commit(), page.Close()); err != nil {
			t.Fatal(err)
		}
	}
	all, counts := exportAll(t, s)
	if counts.Fetched != files || counts.Bytes != files*size {
		t.Errorf("%+v", counts)
	}
	for k := range files {
		if bytes.Count(all, content(k)) != 1 {
			t.Fatalf("content %d is there %d times", k, bytes.Count(all, content(k)))
		}
	}
}

// readCount is a file that counts what is read of it.
type readCount struct {
	vfs.File
	bytes int
}

func (f *readCount) ReadAt(b []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(b, off)
	f.bytes += n
	return n, err
}

// TestExportInNoOrder has contents come in the order of their keys, and in none, short and long: at most
// recordsAside more is read for each than there is, and recordsAhead at the beginning.
func TestExportInNoOrder(t *testing.T) {
	for _, shuffled := range []bool{false, true} {
		for _, size := range []int64{3_000, 30_000} {
			const files = 300
			s, c := scratchOf(t, files, size)
			f := &readCount{File: s.scratch.files.contents}
			s.scratch.files.contents = f
			page, _, err := s.Pending(c.First, c.End, files)
			if err != nil {
				t.Fatal(err)
			}
			for k := range page.Len() {
				if shuffled {
					k = k * 7 % files // a few apart
				}
				if err := page.Put(k, make([]byte, size), 5, nil); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(page.Commit(), page.Close()); err != nil {
				t.Fatal(err)
			}
			_, counts := exportAll(t, s)
			if all := int(s.scratch.files.size); counts.Fetched != files || f.bytes > all+files*recordsAside+recordsAhead {
				t.Errorf("shuffled %v, files of %d bytes: %d bytes are read of %d, %+v", shuffled, size, f.bytes, all, counts)
			}
		}
	}
}

// fullOnce is a file whose disk is full once, in the middle of what is written.
type fullOnce struct {
	vfs.File
	full bool
}

func (f *fullOnce) WriteAt(b []byte, off int64) (int, error) {
	if f.full {
		return f.File.WriteAt(b, off)
	}
	f.full = true
	n, err := f.File.WriteAt(bytes.Repeat([]byte{0xff}, len(b)/2), off)
	return n, errors.Join(err, syscall.ENOSPC)
}

// TestScratchWithoutRoom has the disk be full as contents are written: the page is not committed, and
// committed as if nothing had been when there is room.
func TestScratchWithoutRoom(t *testing.T) {
	const files, size = 500, 3000
	s, c := scratchOf(t, files, size)
	f := &fullOnce{File: s.scratch.files.contents}
	s.scratch.files.contents = f
	page, _, err := s.Pending(c.First, c.End, files)
	if err != nil {
		t.Fatal(err)
	}
	content := func(k int) []byte { return bytes.Repeat([]byte{byte(k), byte(k >> 8), 1}, size/3) }
	for k := range page.Len() {
		if err := page.Put(k, content(k), 5, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := page.Commit(); !NoRoom(err) || s.Progress().Fetched != 0 {
		t.Fatalf("%v, and %d files are here", err, s.Progress().Fetched)
	}
	if err := errors.Join(page.Commit(), page.Close()); err != nil {
		t.Fatal(err)
	}
	all, counts := exportAll(t, s)
	if counts.Fetched != files {
		t.Errorf("%+v", counts)
	}
	for k := range files {
		if bytes.Count(all, content(k)) != 1 {
			t.Fatalf("content %d is there %d times", k, bytes.Count(all, content(k)))
		}
	}
}
