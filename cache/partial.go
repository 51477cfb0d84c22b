package cache

import (
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// What is in this file serves contents that are read before they are whole.
// Nothing of it outlives the process: it all stands in blobs/tmp, which is
// cleared when the store is opened.

// Reader reads what a BlobWriter has taken so far. It stays good after the
// writer has ended, in whatever way. The caller closes it.
func (w *BlobWriter) Reader() (*PartReader, error) {
	file, err := w.b.fs.Open(w.b.path("tmp", blobName(w.id)))
	if err != nil {
		return nil, &DiskError{Err: fmt.Errorf("open blob being written: %w", err)}
	}
	return &PartReader{file: file}, nil
}

// Began is when the writer was made, in seconds since 1970. It is the Fetched of
// the entry that the content gets.
func (w *BlobWriter) Began() int64 { return w.began }

// PartReader reads parts of a file in the store's temporary directory. Its
// methods may be called from any goroutine.
type PartReader struct{ file vfs.File }

// ReadAt fills p from off on. The error is the disk's, also where the file has
// fewer bytes.
func (r *PartReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.file.ReadAt(p, off)
	if n == len(p) {
		return n, nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, &DiskError{Err: fmt.Errorf("read a content that is arriving at %d: %w", off, err)}
}

// Close closes the file.
func (r *PartReader) Close() error { return r.file.Close() }

// Scratch takes parts of a content in any order. It has no name on the disk, and
// is gone with Close or with the process. Its methods may be called from any
// goroutine.
type Scratch struct{ PartReader }

// NewScratch makes an empty scratch file.
func (s *Store) NewScratch() (*Scratch, error) {
	b := s.blobs
	path := b.path("tmp", blobName(b.next.Add(1))+".parts")
	file, err := b.fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, &DiskError{Err: fmt.Errorf("create scratch file: %w", err)}
	}
	if err := b.fs.Remove(path); err != nil {
		return nil, &DiskError{Err: errors.Join(fmt.Errorf("unlink scratch file: %w", err), file.Close())}
	}
	return &Scratch{PartReader: PartReader{file}}, nil
}

// WriteAt writes p at off. Unlike other writers it may change p while it does.
func (s *Scratch) WriteAt(p []byte, off int64) error {
	if _, err := s.file.WriteAt(p, off); err != nil {
		return &DiskError{Err: fmt.Errorf("write scratch file: %w", err)}
	}
	return nil
}

// HasContent reports whether the content of e, a Blob, is the one that w took.
func (e *Entry) HasContent(w *BlobWriter) bool {
	return e.State == Blob && e.Size == w.size && e.sum == w.sum.Sum64()
}
