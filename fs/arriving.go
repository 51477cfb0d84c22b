//go:build linux

package fs

import (
	"context"
	"fmt"

	"github.com/motefs/motefs/cache"
)

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
