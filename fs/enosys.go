//go:build linux

package fs

import "github.com/hanwen/go-fuse/v2/fuse"

// Every ENOSYS here is on purpose: the kernel does not ask again for the life
// of the mount. (OpenDir has one more, that depends.)

// Open: there is no state per open file. The kernel then keeps a file's pages
// over close and open (as FOPEN_KEEP_CACHE), which is right because content does
// not change without an Invalidate. Opening for writing never comes this far:
// the mount is read-only.
func (f *fsys) Open(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	return fuse.ENOSYS
}

// Flush: there is nothing to flush; saves a request at every close.
func (f *fsys) Flush(cancel <-chan struct{}, in *fuse.FlushIn) fuse.Status { return fuse.ENOSYS }

// Access: the kernel checks the modes itself (default_permissions).
func (f *fsys) Access(cancel <-chan struct{}, in *fuse.AccessIn) fuse.Status { return fuse.ENOSYS }

// ListXAttr: the attributes of xattr.go are for who asks for one by its name, as
// those of Ceph and CIFS are. Whoever lists attributes does so to copy them:
// listed, they made cp -a of 20,000 files of 100 bytes to ext4 take 160 MB instead
// of 80 (a block of its own for each file's attributes) and two to eight times as
// long, and said "here" of the copies. And ls -l since coreutils 9.6 lists the
// attributes of every file. After ENOSYS none of that comes here, and programs
// see EOPNOTSUPP, as where there are no attributes.
func (f *fsys) ListXAttr(cancel <-chan struct{}, in *fuse.InHeader, dest []byte) (uint32, fuse.Status) {
	return 0, fuse.ENOSYS
}

// Statx would add only the time of birth, which is not known. After ENOSYS the
// kernel answers statx(2) from the attributes that it has; were STATX answered,
// every stat(1), which asks for the birth, would be a request.
func (f *fsys) Statx(cancel <-chan struct{}, in *fuse.StatxIn, out *fuse.StatxOut) fuse.Status {
	return fuse.ENOSYS
}

// Lseek: files have no holes. The kernel then answers SEEK_DATA and SEEK_HOLE
// itself, from the size.
func (f *fsys) Lseek(cancel <-chan struct{}, in *fuse.LseekIn, out *fuse.LseekOut) fuse.Status {
	return fuse.ENOSYS
}

// GetLk, SetLk and SetLkw are not asked for at INIT, so locks stay in the
// kernel and none of these comes.
func (f *fsys) GetLk(cancel <-chan struct{}, in *fuse.LkIn, out *fuse.LkOut) fuse.Status {
	return fuse.ENOSYS
}

// SetLk: as GetLk.
func (f *fsys) SetLk(cancel <-chan struct{}, in *fuse.LkIn) fuse.Status { return fuse.ENOSYS }

// SetLkw: as GetLk.
func (f *fsys) SetLkw(cancel <-chan struct{}, in *fuse.LkIn) fuse.Status { return fuse.ENOSYS }

// Fsync and FsyncDir have nothing to write and succeed.
func (f *fsys) Fsync(cancel <-chan struct{}, in *fuse.FsyncIn) fuse.Status { return fuse.OK }

// FsyncDir: as Fsync.
func (f *fsys) FsyncDir(cancel <-chan struct{}, in *fuse.FsyncIn) fuse.Status { return fuse.OK }

// Readlink: there are no symbolic links.
func (f *fsys) Readlink(cancel <-chan struct{}, in *fuse.InHeader) ([]byte, fuse.Status) {
	return nil, fuse.EINVAL
}

// Ioctl knows no command.
func (f *fsys) Ioctl(cancel <-chan struct{}, in *fuse.IoctlIn, inbuf []byte, out *fuse.IoctlOut, outbuf []byte) fuse.Status {
	return enotty
}
