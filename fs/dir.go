//go:build linux

package fs

import (
	"bytes"
	"errors"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/motefs/motefs/cache"
)

// The cookies of the two entries that every directory has. An entry's own
// cookie is its inode number, which is at least cache.FirstInode.
const (
	cookieDot    = 1
	cookieDotDot = 2
)

// OpenDir decides whether the kernel may keep the directory's entries. Once the
// listing is complete it may, and then ENOSYS is the answer that turns that on
// for good and saves the request from then on. While the listing grows, a
// directory that is kept would stay as it was, so the answer is a plain yes; and
// never an error, since ENOSYS must not come out early. Kernels that do not get
// it right (dirCacheBroken) are never asked to keep one.
func (f *fsys) OpenDir(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	defer f.end(opOpenDir, f.begin(opOpenDir))
	if f.store.ListingComplete() && !f.noDirCache {
		return fuse.ENOSYS
	}
	return fuse.OK
}

// ReadDir hands out names only.
func (f *fsys) ReadDir(cancel <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return f.list(cancel, in, out.AddDirEntry, func(dir, after cache.Inode) error {
		return f.store.ReadDir(dir, after, func(d cache.DirEntry) bool {
			return !f.listable(dir, d.Name) || out.AddDirEntry(dirent(d))
		})
	})
}

// ReadDirPlus hands out names with attributes where the store has them. An
// entry without a NodeID tells the kernel nothing but the name, and a stat of it
// becomes a LOOKUP: so listing a directory never makes the origin work.
func (f *fsys) ReadDirPlus(cancel <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	dot := func(e fuse.DirEntry) bool { return out.AddDirLookupEntry(e) != nil }
	certain := f.certain()
	return f.list(cancel, in, dot, func(dir, after cache.Inode) error {
		return f.store.ReadDirPlus(dir, after, func(d cache.DirEntry, e cache.Entry, err error) bool {
			if !f.listable(dir, d.Name) {
				return true
			}
			entry := out.AddDirLookupEntry(dirent(d))
			switch {
			case entry == nil:
				return false
			case err == nil && known(&e):
				f.answer(&e, entry, certain)
			case err != nil && !errors.Is(err, cache.ErrNotFound):
				// The name is certain; whoever stats it gets the error.
				f.fail(opReadDir, dir, string(d.Name), err)
			}
			return true
		})
	})
}

// list streams a directory from the cookie on until it ends or the buffer is
// full; what did not fit comes with the next request, since its cookie was not
// handed out. A cookie that was never given out continues with the first entry
// after it.
func (f *fsys) list(cancel <-chan struct{}, in *fuse.ReadIn, dot func(fuse.DirEntry) bool, rest func(dir, after cache.Inode) error) fuse.Status {
	defer f.end(opReadDir, f.begin(opReadDir))
	dir := cache.Inode(in.NodeId)
	if in.Offset < cookieDot && !dot(fuse.DirEntry{Mode: fuse.S_IFDIR, Name: ".", Ino: in.NodeId, Off: cookieDot}) {
		return fuse.OK
	}
	if in.Offset < cookieDotDot && !dot(fuse.DirEntry{Mode: fuse.S_IFDIR, Name: "..", Ino: parentIno(dir), Off: cookieDotDot}) {
		return fuse.OK
	}
	after := cache.Inode(in.Offset)
	if after < cache.FirstInode {
		after = 0
	}
	if err := f.whenReady(cancel, dir, after, rest); err != nil {
		return f.fail(opReadDir, dir, "", err)
	}
	return fuse.OK
}

// whenReady calls rest once names of dir that come after the number after can be read, and again where others
// have come in front of those meanwhile. All of it takes no longer than one wait may.
func (f *fsys) whenReady(cancel <-chan struct{}, dir, after cache.Inode, rest func(dir, after cache.Inode) error) error {
	if f.ready == nil {
		return rest(dir, after)
	}
	ctx, stop := f.demandContext(cancel)
	defer stop()
	for {
		if err := f.ready(ctx, dir, after); err != nil {
			return f.causeOf(ctx, err)
		}
		switch err := rest(dir, after); {
		case !errors.Is(err, cache.ErrNotReady):
			return err
		case ctx.Err() != nil:
			return f.causeOf(ctx, err)
		}
	}
}

// parentIno is the number shown for "..". The store does not lead upwards, and
// nothing uses the number; FUSE's own "unknown" stands in for it, but for the
// root, which is its own parent.
func parentIno(dir cache.Inode) uint64 {
	if dir == cache.RootInode {
		return uint64(cache.RootInode)
	}
	return fuse.FUSE_UNKNOWN_INO
}

// dirent is d as go-fuse takes it. The name is not copied: go-fuse writes it
// into the reply before it returns, and d is valid until then.
func dirent(d cache.DirEntry) fuse.DirEntry {
	mode := uint32(fuse.S_IFREG)
	if d.Kind == cache.Dir {
		mode = fuse.S_IFDIR
	}
	return fuse.DirEntry{
		Mode: mode,
		Name: unsafe.String(unsafe.SliceData(d.Name), len(d.Name)), //nolint:gosec // unchanged while it is used; a copy costs an allocation a name
		Ino:  uint64(d.Inode),
		Off:  uint64(d.Inode),
	}
}

// listable reports whether a name can be handed out, and notes one that cannot.
func (f *fsys) listable(dir cache.Inode, name []byte) bool {
	if listable(name) {
		return true
	}
	f.badName(dir, name)
	return false
}

// listable reports whether the kernel takes an entry of this name. For one
// that it does not (a slash, nothing at all) it fails the whole directory with
// EIO, and a name over maxName cannot be opened.
func listable(name []byte) bool {
	switch {
	case len(name) == 0, len(name) > maxName, string(name) == ".", string(name) == "..":
		return false
	}
	return bytes.IndexByte(name, '/') < 0 && bytes.IndexByte(name, 0) < 0
}
