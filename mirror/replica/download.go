package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/cespare/xxhash/v2"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/objects"
)

// piece is a part of an object that is to be downloaded.
type piece struct {
	object string
	off    int64
	size   int64  // in bytes
	sum    uint64 // XXH64
}

// get downloads a piece into a file of the local store's folder, once. The caller removes it.
func (r *Replica) get(ctx context.Context, from objects.Store, p piece) (_ *os.File, err error) {
	file, err := os.CreateTemp(r.temporary(), "*")
	if err != nil {
		return nil, local(fmt.Errorf("download %q: %w", p.object, err))
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, discard(file))
		}
	}()
	if err = r.getTo(ctx, from, p, file); err != nil {
		return nil, err
	}
	return file, nil
}

// getTo downloads a piece, once.
func (r *Replica) getTo(ctx context.Context, from objects.Store, p piece, to io.Writer) error {
	body, _, err := from.Get(ctx, p.object, p.off, p.size)
	if err != nil {
		return fmt.Errorf("download %q: %w", p.object, err)
	}
	defer body.Close()
	sum := xxhash.New()
	n, err := io.Copy(io.MultiWriter(to, sum, &r.counts.downloaded), io.LimitReader(body, p.size))
	switch {
	case cache.NoRoom(err):
		return local(fmt.Errorf("download %q: %w", p.object, err))
	case err != nil:
		return fmt.Errorf("download %q: %w", p.object, err)
	case n != p.size:
		return fmt.Errorf("download %q: %d bytes of %d came: %w", p.object, n, p.size, io.ErrUnexpectedEOF)
	case sum.Sum64() != p.sum:
		return untrue("%q has not the sum that its manifest says", p.object)
	}
	return nil
}

// onDisk is how much of the local disk it takes to bring in so many bytes of tables, for a moment: the
// store writes them anew into tables of its own.
func onDisk(size int64) int64 { return 2 * size }

// roomFor is the error of the local store where there is no room for pieces, beside those that
// are being brought.
func (r *Replica) roomFor(pieces []piece) error {
	return local(r.store.RoomFor(onDisk(r.underWay.Load() + sizeOf(pieces))))
}

// sizeOf is how long pieces are together, in bytes.
func sizeOf(pieces []piece) (n int64) {
	for k := range pieces {
		n += pieces[k].size
	}
	return n
}

// discard closes a file and removes it.
func discard(file *os.File) error {
	return errors.Join(file.Close(), os.Remove(filepath.Clean(file.Name())))
}

// getAll downloads pieces one after the other, and hands them to use. It makes one attempt.
func (r *Replica) getAll(ctx context.Context, p *patience, pieces []piece, use func([]*os.File) error) (err error) {
	size := min(sizeOf(pieces), inFlight)
	if err := p.aside(func() error { return r.bytes.Acquire(ctx, size) }); err != nil {
		return context.Cause(ctx)
	}
	defer r.bytes.Release(size)
	r.underWay.Add(sizeOf(pieces))
	defer r.underWay.Add(-sizeOf(pieces))
	files := make([]*os.File, 0, len(pieces))
	defer func() {
		for _, file := range files {
			err = errors.Join(err, discard(file))
		}
	}()
	for k := range pieces {
		file, err := r.get(ctx, p, pieces[k])
		if err != nil {
			return err
		}
		files = append(files, file)
	}
	return p.aside(func() error { return use(files) })
}

// errLocal marks what is not the object store's fault.
var errLocal = errors.New("local store")
