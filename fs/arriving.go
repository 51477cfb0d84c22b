package fs

import (
	"context"
	"fmt"
	"time"

	"github.com/motefs/motefs/cache"
)

// Arrivals are the files of a Contents that are shown while they are being
// fetched, because they are long. Their entries are Arriving and do not change.
// What one inode is read as is one version: a file that cannot be brought to its
// end is taken back, and then readers get errors until a LOOKUP finds it anew,
// under a higher generation.
//
// The kernel may keep all it was told of such a file for as long as of any other,
// since it is as true when the file is whole. Where it is taken back, whoever
// does so calls Invalidate; should that be lost, the first READ that fails does
// the same. The next use then asks GETATTR, which is ESTALE, and that makes the
// kernel LOOKUP. By the generation it tells the file from the one that some
// program may still have open, which it makes fail without asking (Linux 5.15,
// fuse_stale_inode).
type Arrivals interface {
	// Arriving returns the entry of a file that is arriving, nil for any other.
	// The error says why one was taken back.
	Arriving(ino cache.Inode) (*cache.Entry, error)
	// Shown is called before a LOOKUP is answered with an inode. It returns its
	// entry if it is arriving, else nil, and how often it was taken back; the
	// errors end.
	Shown(ino cache.Inode) (arriving *cache.Entry, generation uint64)
	// ReadAt reads a file that is arriving, as Store.ReadAt does, and waits for
	// the bytes; ok is false for any other file. It returns promptly when ctx
	// ends, and context.DeadlineExceeded where for patience nothing came that
	// brings the bytes nearer.
	ReadAt(ctx context.Context, ino cache.Inode, p []byte, off int64, patience time.Duration) (n int, ok bool, err error)
}

// shown returns what a LOOKUP that found e is answered with, and the generation.
func (f *fsys) shown(e *cache.Entry) (*cache.Entry, uint64) {
	arriving, times := f.contents.Shown(e.Inode)
	if arriving != nil {
		e = arriving
	}
	return e, generation + times
}

// arriving returns the entry of a file that is arriving, nil for any other. The
// error is errStale for one that was taken back.
func (f *fsys) arriving(ino cache.Inode) (*cache.Entry, error) {
	e, err := f.contents.Arriving(ino)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errStale, err)
	}
	return e, nil
}

// await reads what is arriving, until the program that asked is interrupted, the
// mount goes, or DemandTimeout has passed without a byte.
func (f *fsys) await(cancel <-chan struct{}, ino cache.Inode, p []byte, off int64) (n int, ok bool, err error) {
	ctx, end := context.WithCancelCause(f.ctx)
	defer end(nil)
	f.wg.Go(func() {
		select {
		case <-cancel:
			end(errInterrupted)
		case <-ctx.Done():
		}
	})
	n, ok, err = f.contents.ReadAt(ctx, ino, p, off, f.timeout)
	if err != nil {
		err = f.causeOf(ctx, err)
	}
	return n, ok, err
}
