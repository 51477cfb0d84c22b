//go:build linux

package fs

import "github.com/hanwen/go-fuse/v2/fuse"

// StatFs answers from the store's counters. Nothing is free on a read-only
// filesystem, so df shows it full.
func (f *fsys) StatFs(cancel <-chan struct{}, in *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	u := f.store.Usage()
	*out = fuse.StatfsOut{
		Blocks:  (u.Bytes + blockSize - 1) / blockSize,
		Files:   u.Files + u.Dirs,
		Bsize:   blockSize,
		Frsize:  blockSize,
		NameLen: maxName,
	}
	return fuse.OK
}
