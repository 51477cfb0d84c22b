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
	f.stats.reads.Add(1)
	ino := cache.Inode(in.NodeId)
	n, err := f.readAt(cancel, ino, buf, int64(in.Offset))
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
