//go:build linux

package fs

import (
	"errors"
	"fmt"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/motefs/motefs/cache"
)

// GetAttr answers by inode number. It never fetches. A file that is not here, of which
// the listing does not say what it is, the kernel can only know from before it was
// dropped; so it can a number that another file has replaced. Both are ESTALE: the kernel
// then looks the path up once more, and LOOKUP finds what there is.
func (f *fsys) GetAttr(cancel <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	defer f.end(opGetAttr, f.begin(opGetAttr))
	ino := cache.Inode(in.NodeId)
	certain := f.certain()
	e, err := f.entry(ino)
	if err != nil {
		return f.fail(opGetAttr, ino, "", err)
	}
	out.SetTimeout(f.fill(&e, &out.Attr, certain))
	return fuse.OK
}

// entry is the entry of an inode that the kernel knows.
func (f *fsys) entry(ino cache.Inode) (cache.Entry, error) {
	if arriving, err := f.arriving(ino); err != nil || arriving != nil {
		if err != nil {
			return cache.Entry{}, err
		}
		return *arriving, nil
	}
	e, err := f.store.Get(ino)
	switch {
	case err == nil && known(&e):
		if ino == cache.RootInode && e.Fetched == 0 {
			e.Fetched = f.mounted // nobody listed the root
		}
		return e, nil
	case ino == cache.RootInode && (err == nil || errors.Is(err, cache.ErrNotFound)):
		// An empty store has a root too.
		return cache.Entry{Inode: ino, Kind: cache.Dir, State: cache.Inline, Fetched: f.mounted}, nil
	case err == nil:
		return e, errStale
	case errors.Is(err, cache.ErrNotFound):
		return e, fmt.Errorf("%w: %w", errStale, err)
	}
	return e, err
}

// answer fills in the answer to a LOOKUP, or one entry of a READDIRPLUS; certain was asked
// before the store was.
func (f *fsys) answer(e *cache.Entry, out *fuse.EntryOut, certain time.Duration) {
	e, out.Generation = f.shown(e)
	out.NodeId = uint64(e.Inode)
	lease := f.fill(e, &out.Attr, certain)
	out.SetAttrTimeout(lease)
	if f.nextChange != nil {
		// A file that changes gets another number: what is known of this one stays
		// true, but not that the name is its.
		lease = min(lease, certain)
	}
	out.SetEntryTimeout(lease)
}

// certain is how long names certainly stay what they are, where files may change. It is
// asked before the store: what that says may be of before a change that has ended since.
func (f *fsys) certain() time.Duration {
	if f.nextChange == nil {
		return f.lease
	}
	return min(max(time.Until(f.nextChange()), f.lease), entryTimeout)
}

// fill makes the attributes of e, and returns how long the kernel may believe
// them, and the name. A file that is here stays what it is; one that is only listed is
// believed for listedTimeout, or where files may change as names are. For a directory the
// lease is that of its names: the kernel drops the listing that it keeps where it
// meets another modification time, and the time is another one, by a nanosecond,
// after each change to the names of any directory. So no answer that was under way
// during a change can do harm for longer than the lease, in whatever order it comes
// with other answers and notifications.
func (f *fsys) fill(e *cache.Entry, a *fuse.Attr, certain time.Duration) (lease time.Duration) {
	mtime := e.ModTime
	if mtime == 0 {
		mtime = e.Fetched
	}
	*a = fuse.Attr{
		Ino:   uint64(e.Inode),
		Atime: uint64(mtime),
		Mtime: uint64(mtime),
		Ctime: uint64(mtime),
		// A directory's links are not counted either. find takes 2 and more
		// for 2 plus the number of subdirectories, and stops looking for
		// subdirectories after as many; 1 tells it not to (findutils,
		// "leaf optimisation").
		Nlink:   1,
		Owner:   f.owner,
		Blksize: blockSize,
		Mode:    f.dirMode,
	}
	// What arrives may be taken back, what is only listed may turn out another, and then
	// another number has the name.
	final := !e.Arriving && !e.Promised()
	switch {
	case e.Arriving:
		certain = f.lease
	case e.Promised() && f.nextChange == nil:
		certain = listedTimeout
	}
	if e.Kind == cache.File {
		a.Mode = f.fileMode
		a.Size = uint64(e.Size)
		// Never 0 for a file with content: tar and cp take that for a hole.
		a.Blocks = (uint64(e.Size) + 511) / 512
	} else {
		var changes uint64
		changes, final = f.store.Changes()
		if !final {
			certain = f.lease
		}
		final = final && f.nextChange == nil
		a.Mtimensec = uint32((changes - f.unchanged) % uint64(time.Second))
		a.Atimensec, a.Ctimensec = a.Mtimensec, a.Mtimensec
	}
	if final {
		return entryTimeout
	}
	return certain
}
