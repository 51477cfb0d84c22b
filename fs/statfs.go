//go:build linux

package fs

import (
	"math/bits"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/motefs/motefs/cache"
)

// StatFs answers from the store's counters. What df shows as used is what is here. The
// size is that of all files: until all are here it is an estimate, for which the others
// are taken to be as long as these. Nothing is available on a read-only filesystem.
func (f *fsys) StatFs(cancel <-chan struct{}, in *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	defer f.end(opStatFS, f.begin(opStatFS))
	u := f.store.Usage()
	all, here := blocks(allBytes(u)), blocks(u.Bytes)
	*out = fuse.StatfsOut{
		Blocks:  all,
		Bfree:   all - here,
		Files:   u.Files + u.Dirs,
		Bsize:   blockSize,
		Frsize:  blockSize,
		NameLen: maxName,
	}
	return fuse.OK
}

func blocks(bytes uint64) uint64 { return bytes/blockSize + min(bytes%blockSize, 1) }

// allBytes is about how long the contents of all files are together.
func allBytes(u cache.Usage) uint64 {
	if u.Here == 0 || u.Here >= u.Files {
		return u.Bytes
	}
	high, low := bits.Mul64(u.Bytes, u.Files)
	if high >= u.Here {
		return u.Bytes // more than a number can be
	}
	all, _ := bits.Div64(high, low, u.Here)
	return all
}
