//go:build linux

package fs

import (
	"errors"
	"fmt"
	"io"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/motefs/motefs/cache"
)

// Read reads into go-fuse's own buffer. An answer shorter than asked for tells
// the kernel that the file ends there; nothing is the end of the file.
func (f *fsys) Read(cancel <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	defer f.end(opRead, f.begin(opRead))
	ino := cache.Inode(in.NodeId)
	n, err := f.readAt(cancel, in, buf)
	switch {
	case err == nil || errors.Is(err, io.EOF):
	case errors.Is(err, cache.ErrNotFound):
		// ENOENT is for names; this is an open file. Whatever the kernel
		// believes of it, it shall ask.
		f.note(note{parent: ino})
		return nil, f.fail(opRead, ino, "", fmt.Errorf("%w: %w", errStale, err))
	default:
		return nil, f.fail(opRead, ino, "", err)
	}
	f.stats.readBytes.Add(int64(n))
	return fuse.ReadResultData(buf[:n]), fuse.OK
}

// readAt reads from the store, or what is arriving. A file that is neither, but that the
// kernel was told of, is fetched first.
func (f *fsys) readAt(cancel <-chan struct{}, in *fuse.ReadIn, p []byte) (int, error) {
	ino, off := cache.Inode(in.NodeId), int64(in.Offset)
	n, stored, err := f.readNow(cancel, ino, p, off)
	if !stored || !errors.Is(err, cache.ErrNotFound) {
		return n, err
	}
	e, err := f.store.Get(ino)
	switch {
	case err != nil:
		return 0, err
	case e.Here(): // by now
	case !e.Promised():
		return 0, fmt.Errorf("read inode %d: %w", ino, cache.ErrNotFound)
	default:
		if err := f.bring(cancel, ino, in.Pid); err != nil {
			return 0, err
		}
	}
	n, _, err = f.readNow(cancel, ino, p, off)
	return n, err
}

// readNow reads what there is of a file. stored says that it is the store that was asked.
func (f *fsys) readNow(cancel <-chan struct{}, ino cache.Inode, p []byte, off int64) (n int, stored bool, err error) {
	arriving, err := f.contents.Arriving(ino)
	if err == nil && arriving != nil {
		var ok bool
		if n, ok, err = f.await(cancel, ino, p, off); ok && err == nil {
			return n, false, nil
		}
	}
	if err != nil {
		if _, taken := f.contents.Arriving(ino); taken != nil {
			f.note(note{parent: ino})
		}
		return 0, false, err
	}
	n, err = f.store.ReadAt(ino, p, off)
	return n, true, err
}

// bring has a file fetched of whose number the kernel was told length and time. What
// turned out another, or is gone, is cache.ErrNotFound: that number has no content and
// never will. tid is the thread that waits.
func (f *fsys) bring(cancel <-chan struct{}, ino cache.Inode, tid uint32) error {
	if err := f.twice.take(ino, tid); err != nil {
		return err
	}
	parent, name, err := f.store.Where(ino)
	if err != nil {
		return err
	}
	e, err := f.fetch(cancel, parent, name)
	switch {
	case errors.Is(err, cache.ErrNotFound):
	case err != nil:
		f.twice.add(ino, tid, err)
		return err
	case e.Inode == ino:
		return nil
	default:
		err = fmt.Errorf("%w: %q is not what was listed", cache.ErrNotFound, name)
	}
	// The kernel may hold a listing of the directory that has the number.
	f.note(note{parent: parent})
	return err
}
