//go:build linux

package fs

import (
	"context"
	"errors"
	"runtime/pprof"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/motefs/motefs/cache"
)

// maxNotes bounds the invalidations that wait for the kernel.
const maxNotes = 4096

// note is one invalidation: of a directory's cached listing and, where there is
// a name, of what the kernel knows of the inode behind it.
type note struct {
	parent cache.Inode
	name   string
}

// Invalidate tells the kernel that a name came to be, changed or went: the next
// use of the file or of its directory asks again. It makes known at once what the
// kernel would find out with the end of the lease; a name that it took for missing
// is found only then. An answer that is under way at the time may undo it, until
// the end of the lease (see fill).
//
// It returns at once and may be called from anywhere, a handler included. Where
// 4096 wait already it is dropped and counted.
func (m *Mount) Invalidate(parent cache.Inode, name string) {
	m.fs.note(note{parent: parent, name: name})
}

// note queues n. It does not wait: the goroutine that empties the queue may
// itself wait, for a page that a handler is about to fill.
func (f *fsys) note(n note) {
	select {
	case f.notes <- n:
	default:
		total := f.stats.notesDropped.Add(1)
		f.sampled.Warn().Uint64(fieldInode, uint64(n.parent)).Str(fieldName, n.name).
			Int64(fieldTotal, total).Msg("invalidation dropped: too many are waiting")
	}
}

// notifier is what of a fuse.Server writes notifications.
type notifier interface {
	InodeNotify(node uint64, off, length int64) fuse.Status
}

// notify writes the queued notifications until done is closed.
func (f *fsys) notify(done <-chan struct{}, to notifier) {
	pprof.Do(context.Background(), pprof.Labels("motefs", "fs.notify"), func(context.Context) {
		for {
			select {
			case <-done:
				return
			case n := <-f.notes:
				f.deliver(n, to)
			}
		}
	})
}

// deliver writes one note. The file goes first, so that nobody meets its old
// self by way of the directory read anew.
//
// It does without NOTIFY_INVAL_ENTRY, which would drop a dentry and is what the
// protocol has for this: that takes the directory's lock, for which it waits
// until every LOOKUP under way in the directory is answered, and every new one,
// of files that are here too, waits behind it, deaf even to SIGKILL. One file
// that hangs at the origin would stop its whole directory for DemandTimeout
// (seen on Linux 6.18). NOTIFY_INVAL_INODE takes no such lock and comes to the
// same: the next use of the dentry asks for the inode's attributes, GetAttr says
// ESTALE if it is gone, and the kernel looks the name up anew; of a directory it
// is told another modification time, and drops its listing.
func (f *fsys) deliver(n note, to notifier) {
	defer func() {
		if v := recover(); v != nil {
			f.panicked(v) // no worse than a notification that is lost
		}
	}()
	if n.name != "" {
		e, err := f.store.Lookup(n.parent, n.name)
		switch {
		case err == nil:
			f.inval(e.Inode, to)
		case !errors.Is(err, cache.ErrNotFound):
			f.fail(opNotify, n.parent, n.name, err)
		}
	}
	f.inval(n.parent, to)
}

// inval drops the attributes that the kernel has of one inode. The offset of -1
// leaves the pages alone: to drop them it would wait for every READ of the file
// that is under way, and one waits for the origin. They are those of this very
// version of the file, so that whoever has it open may go on with them.
func (f *fsys) inval(ino cache.Inode, to notifier) {
	switch status := to.InodeNotify(uint64(ino), -1, 0); status {
	case fuse.OK, fuse.ENOENT: // ENOENT: the kernel does not know the inode
	case fuse.ENODEV, fuse.EBADF, fuse.Status(syscall.ENOTCONN): // the mount is gone
	default:
		f.sampled.Warn().Stringer(fieldOp, opNotify).Uint64(fieldInode, uint64(ino)).
			Str(fieldErrno, syscall.Errno(status).Error()).Msg("invalidation refused by the kernel")
	}
}
