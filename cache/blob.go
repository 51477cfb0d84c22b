package cache

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// blobStore keeps contents over the inline limit, one file each:
//
//	blobs/tmp/NUMBER      being written
//	blobs/XX/NUMBER       whole, with its sums behind it, see sums.go; XX are its
//	                      last two digits, NUMBER is in hex
//
// A file is renamed to its place only when it is whole and on the disk, and
// only then is the entry that names it committed. A crash between the two
// leaves a file that no entry names, which Verify reports and Reclaim removes.
type blobStore struct {
	fs   vfs.FS
	dir  string
	room *room
	next atomic.Uint64

	open struct {
		sync.Mutex
		files *simplelru.LRU[uint64, *blobHandle]
	}
	shards struct {
		sync.Mutex
		made [256]bool
	}
}

// openBlobs removes what a crash left half written, if it may write. Numbers go on
// from o.Now, so that nothing has to be read to find one that is free; see number.
func openBlobs(o *Options, write bool, r *room) (*blobStore, error) {
	b := &blobStore{fs: o.FS, room: r, dir: o.FS.PathJoin(o.Dir, "blobs")}
	b.next.Store(uint64(o.Now().UnixNano()))
	files, err := simplelru.NewLRU(o.openBlobFiles(), func(_ uint64, h *blobHandle) { h.drop() })
	if err != nil {
		return nil, err
	}
	b.open.files = files
	if !write {
		return b, nil
	}
	if err := o.FS.RemoveAll(b.path("tmp")); err != nil && !errors.Is(err, iofs.ErrNotExist) {
		return nil, fmt.Errorf("clear %s: %w", b.path("tmp"), err)
	}
	if err := makeDir(o.FS, b.path("tmp"), privateDir); err != nil {
		return nil, fmt.Errorf("make blob directory: %w", err)
	}
	return b, nil
}

func (b *blobStore) path(elem ...string) string {
	return b.fs.PathJoin(append([]string{b.dir}, elem...)...)
}

// number gives out one that no blob has, also where its entry was lost, and where the
// clock was set back since that was written.
func (b *blobStore) number() (uint64, error) {
	for {
		id := b.next.Add(1)
		if _, err := b.fs.Stat(b.path(shardName(id), blobName(id))); errors.Is(err, iofs.ErrNotExist) {
			return id, nil
		} else if err != nil {
			return 0, err
		}
	}
}

func shardName(id uint64) string { return fmt.Sprintf("%02x", id&0xff) }
func blobName(id uint64) string  { return fmt.Sprintf("%016x", id) }

// Close closes the files kept open for reading.
func (b *blobStore) Close() error {
	b.open.Lock()
	defer b.open.Unlock()
	b.open.files.Purge()
	return nil
}

// BlobWriter takes one content. Either PutBlob or Abort ends it.
type BlobWriter struct {
	b    *blobStore
	id   uint64
	file vfs.File // nil: the content is only to be compared
	sum  *sums
	size int64
	buf  []byte
	// began is when the content began to come, in seconds since 1970.
	began int64
}

// NewBlob begins a content that is too long for an entry.
func (s *Store) NewBlob() (*BlobWriter, error) {
	if s.readOnly != nil {
		return nil, fmt.Errorf("create blob: %w", s.readOnly)
	}
	id, err := s.blobs.number()
	if err != nil {
		return nil, fmt.Errorf("create blob: %w", err)
	}
	var file vfs.File
	if err := s.room.untilOpen(func() error {
		file, err = s.blobs.fs.Create(s.blobs.path("tmp", blobName(id)), vfs.WriteCategoryUnspecified)
		return err
	}); err != nil {
		return nil, fmt.Errorf("create blob: %w", s.room.refused(err))
	}
	return &BlobWriter{b: s.blobs, id: id, file: file, sum: newSums(), began: s.opts.Now().Unix()}, nil
}

// NewBlob begins a content of one of the page's files. Where that is only to be compared,
// nothing is written.
func (p *Page) NewBlob() (*BlobWriter, error) {
	if p.dryRun() {
		return &BlobWriter{b: p.s.blobs, sum: newSums()}, nil
	}
	return p.s.NewBlob()
}

// blobBuffer is the length of the pieces in which a blob is written.
const blobBuffer = 64 << 10

// Write appends p to the content. Its error is the disk's.
func (w *BlobWriter) Write(p []byte) (int, error) {
	_, _ = w.sum.Write(p) // it never fails
	if w.file == nil {
		w.size += int64(len(p))
		return len(p), nil
	}
	if w.buf == nil {
		w.buf = make([]byte, blobBuffer)
	}
	for done := 0; done < len(p); {
		// A vfs.File may change what it is given to write, an io.Writer must
		// not.
		n, err := w.file.Write(w.buf[:copy(w.buf, p[done:])])
		w.size += int64(n)
		done += n
		if err != nil {
			return done, &DiskError{Err: w.b.room.refused(err)}
		}
		if w.size%roomStep < int64(n) {
			if err := w.b.room.check(); err != nil {
				return done, &DiskError{Err: err}
			}
		}
	}
	return len(p), nil
}

// Size is how much was written, in bytes.
func (w *BlobWriter) Size() int64 { return w.size }

// Abort gives the content up.
func (w *BlobWriter) Abort() error {
	if w.file == nil {
		return nil
	}
	return errors.Join(w.file.Close(), w.b.fs.Remove(w.b.path("tmp", blobName(w.id))))
}

// finish puts the file on the disk and under its name.
func (w *BlobWriter) finish() error {
	if w.file == nil {
		return nil
	}
	if err := w.end(); err != nil {
		return err
	}
	return w.b.publishAs(w.id, w.id)
}

// end puts the sums behind the content, and the file on the disk.
func (w *BlobWriter) end() error {
	_, err := w.file.Write(slices.Clone(w.sum.all()))
	if err == nil {
		err = w.file.Sync()
	}
	if err != nil {
		return errors.Join(&DiskError{Err: w.b.room.refused(err)}, w.Abort())
	}
	if err := w.file.Close(); err != nil {
		return &DiskError{Err: w.b.room.refused(err)}
	}
	return nil
}

// publishAs puts a file that was written as tmp under the name of id.
func (b *blobStore) publishAs(tmp, id uint64) error {
	shard := b.path(shardName(id))
	err := b.makeShard(id)
	if err == nil {
		err = b.fs.Rename(b.path("tmp", blobName(tmp)), b.fs.PathJoin(shard, blobName(id)))
	}
	if err == nil {
		err = b.syncDir(shard)
	}
	if err != nil {
		return &DiskError{Err: b.room.refused(err)}
	}
	return nil
}

func (b *blobStore) makeShard(id uint64) error {
	b.shards.Lock()
	defer b.shards.Unlock()
	if b.shards.made[id&0xff] {
		return nil
	}
	if err := b.fs.MkdirAll(b.path(shardName(id)), privateDir); err != nil {
		return err
	}
	b.shards.made[id&0xff] = true
	return b.syncDir(b.dir)
}

// syncDir makes names in a directory survive a crash.
func (b *blobStore) syncDir(path string) error {
	return b.room.untilOpen(func() error { return syncDir(b.fs, path) })
}

func (b *blobStore) remove(id uint64) error {
	return b.fs.Remove(b.path(shardName(id), blobName(id)))
}

// blobHandle is an open blob file that several readers share; the last one to
// let go of it closes it.
type blobHandle struct {
	file *checkedFile
	refs atomic.Int32
}

func (h *blobHandle) drop() {
	if h.refs.Add(-1) == 0 {
		_ = h.file.Close() // opened for reading: there is nothing to lose
	}
}

// handle returns the open file of a blob; the caller drops it.
func (b *blobStore) handle(e *Entry) (*blobHandle, error) {
	b.open.Lock()
	defer b.open.Unlock()
	if h, ok := b.open.files.Get(e.blob); ok {
		h.refs.Add(1)
		return h, nil
	}
	file, err := b.openLocked(e.blob)
	if err != nil {
		return nil, err
	}
	h := &blobHandle{file: newCheckedFile(file, e)}
	h.refs.Store(2) // one for the list of open files, one for the caller
	b.open.files.Add(e.blob, h)
	return h, nil
}

// openLocked opens a blob file for reading. Where descriptors or memory are short, it
// lets go of files that are kept open. The errors are ErrCorrupt where there is none,
// ErrTransient, or the disk's.
func (b *blobStore) openLocked(id uint64) (vfs.File, error) {
	path := b.path(shardName(id), blobName(id))
	file, err := b.fs.Open(path)
	for transient(err) && b.open.files.Len() > 0 {
		b.open.files.RemoveOldest()
		file, err = b.fs.Open(path)
	}
	switch {
	case err == nil:
		return file, nil
	case transient(err):
		err = fmt.Errorf("%w: %w", ErrTransient, err)
	case errors.Is(err, iofs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	default:
		err = &DiskError{Err: err}
	}
	return nil, fmt.Errorf("open blob: %w", err)
}

func (b *blobStore) readAt(e *Entry, p []byte, off int64) (int, error) {
	if off >= e.Size {
		return 0, nil
	}
	p = p[:min(int64(len(p)), e.Size-off)]
	h, err := b.handle(e)
	if err != nil {
		return 0, err
	}
	defer h.drop()
	if err := h.file.readAt(p, off); err != nil {
		return 0, err
	}
	return len(p), nil
}
