//go:build linux

package fs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

const enotty = fuse.Status(syscall.ENOTTY)

// The mount is read-only and the kernel refuses every change itself. Should one
// come through all the same, say after a remount, it is refused here, and not
// with the embedded ENOSYS.

// SetAttr is refused.
func (f *fsys) SetAttr(cancel <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	return fuse.EROFS
}

// Mknod is refused.
func (f *fsys) Mknod(cancel <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	return fuse.EROFS
}

// Mkdir is refused.
func (f *fsys) Mkdir(cancel <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	return fuse.EROFS
}

// Unlink is refused.
func (f *fsys) Unlink(cancel <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	return fuse.EROFS
}

// Rmdir is refused.
func (f *fsys) Rmdir(cancel <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	return fuse.EROFS
}

// Rename is refused.
func (f *fsys) Rename(cancel <-chan struct{}, in *fuse.RenameIn, oldName, newName string) fuse.Status {
	return fuse.EROFS
}

// Link is refused.
func (f *fsys) Link(cancel <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	return fuse.EROFS
}

// Symlink is refused.
func (f *fsys) Symlink(cancel <-chan struct{}, in *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	return fuse.EROFS
}

// SetXAttr is refused.
func (f *fsys) SetXAttr(cancel <-chan struct{}, in *fuse.SetXAttrIn, attr string, data []byte) fuse.Status {
	return fuse.EROFS
}

// RemoveXAttr is refused.
func (f *fsys) RemoveXAttr(cancel <-chan struct{}, in *fuse.InHeader, attr string) fuse.Status {
	return fuse.EROFS
}

// Create is refused.
func (f *fsys) Create(cancel <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	return fuse.EROFS
}

// Tmpfile is refused.
func (f *fsys) Tmpfile(cancel <-chan struct{}, in *fuse.CreateIn, out *fuse.CreateOut) fuse.Status {
	return fuse.EROFS
}

// Write is refused.
func (f *fsys) Write(cancel <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	return 0, fuse.EROFS
}

// Writev is refused.
func (f *fsys) Writev(cancel <-chan struct{}, in *fuse.WriteIn, data [][]byte) (uint32, fuse.Status) {
	return 0, fuse.EROFS
}

// CopyFileRange is refused.
func (f *fsys) CopyFileRange(cancel <-chan struct{}, in *fuse.CopyFileRangeIn) (uint32, fuse.Status) {
	return 0, fuse.EROFS
}

// Fallocate is refused.
func (f *fsys) Fallocate(cancel <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	return fuse.EROFS
}
