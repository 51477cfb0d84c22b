package cache

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// BlobMissingError says that a content is in a blob file that is not here: its segment's
// contents came without. PutBlob puts it in its place.
type BlobMissingError struct {
	Inode Inode
	Size  int64 // of the content, in bytes
}

func (e *BlobMissingError) Error() string {
	return fmt.Sprintf("the content of inode %d, %d bytes, is not here", e.Inode, e.Size)
}

// missingBlob makes a BlobMissingError of the error that reading a blob has, where it is
// that.
func (s *Store) missingBlob(e *Entry, err error) error {
	if !s.format.segments() || !errors.Is(err, iofs.ErrNotExist) {
		return err
	}
	return &BlobMissingError{e.Inode, e.Size}
}

// BlobLen is how long the blob file of a content of size bytes is, with the sums behind it.
func BlobLen(size int64) int64 { return size + sumsOf(size)*sumLen }

// HasBlob reports whether the file with the content of a Blob is here. The errors are
// those of Lookup.
func (s *Store) HasBlob(ino Inode) (bool, error) {
	e, err := s.get(ino)
	if err != nil || e.State != Blob {
		return false, err
	}
	_, err = s.blobs.fs.Stat(s.blobs.path(shardName(e.blob), blobName(e.blob)))
	if errors.Is(err, iofs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// PutBlob puts the blob file of a Blob in its place, as Export has handed it over: r has
// BlobLen bytes. It does nothing where the file is here. The error is ErrTable where r has
// something else than the entry says, ErrNotFound where there is no such entry, r's, or a
// DiskError.
func (s *Store) PutBlob(ino Inode, r io.Reader) error {
	if err := s.writable(); err != nil {
		return err
	}
	e, err := s.get(ino)
	if err != nil {
		return err
	}
	if e.State != Blob {
		return fmt.Errorf("inode %d has no blob: %w", ino, ErrNotFound)
	}
	if here, err := s.HasBlob(ino); err != nil || here {
		return err
	}
	if err := s.RoomFor(e.Size); err != nil {
		return err
	}
	id, err := s.blobs.number() // two may put it at the same time
	if err != nil {
		return err
	}
	var file vfs.File
	if err := s.room.untilOpen(func() error {
		file, err = s.blobs.fs.Create(s.blobs.path("tmp", blobName(id)), vfs.WriteCategoryUnspecified)
		return err
	}); err != nil {
		return &DiskError{Err: s.room.refused(err)}
	}
	w := &BlobWriter{b: s.blobs, id: id, file: file, sum: newSums()}
	if err := w.take(r, &e); err != nil {
		return errors.Join(err, w.Abort())
	}
	if err := w.end(); err != nil {
		return err
	}
	return s.blobs.publishAs(id, e.blob)
}

// take writes the content of e, and checks it and the sums behind it.
func (w *BlobWriter) take(r io.Reader, e *Entry) error {
	n, err := io.Copy(w, io.LimitReader(r, e.Size))
	if err != nil {
		return fmt.Errorf("take blob of inode %d: %w", e.Inode, err)
	}
	behind, err := io.ReadAll(io.LimitReader(r, sumsOf(e.Size)*sumLen+1))
	if err != nil {
		return fmt.Errorf("take blob of inode %d: %w", e.Inode, err)
	}
	if n != e.Size || w.sum.Sum64() != e.sum || !bytes.Equal(behind, w.sum.all()) {
		return errTable("blob of inode %d has %d bytes with sum %016x, its entry says %d with %016x", e.Inode, n, w.sum.Sum64(), e.Size, e.sum)
	}
	return nil
}

// letGo does not keep the file of a blob open; who reads it goes on.
func (b *blobStore) letGo(id uint64) {
	b.open.Lock()
	defer b.open.Unlock()
	b.open.files.Remove(id)
}

// DropBlob removes the blob file that is here for the number of a file, of a store into which
// segments are brought; the next who reads it gets a BlobMissingError. dropped is false where there is
// none. It need not be a file's any more: what TakeBack could not remove is none's.
func (s *Store) DropBlob(ino Inode) (dropped bool, err error) {
	if err := s.writable(); err != nil {
		return false, err
	}
	err = s.blobs.remove(uint64(ino))
	s.blobs.letGo(uint64(ino)) // else its room is not given back
	if errors.Is(err, iofs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
