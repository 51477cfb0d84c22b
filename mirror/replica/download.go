package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/cespare/xxhash/v2"

	"github.com/motefs/motefs/mirror"
)

// piece is a part of an object that is to be downloaded.
type piece struct {
	object string
	off    int64
	size   int64  // in bytes
	sum    uint64 // XXH64
}

// get downloads a piece into a file of the local store's folder, once. The caller removes it.
func (r *Replica) get(ctx context.Context, p piece) (_ *os.File, err error) {
	file, err := os.CreateTemp(r.temporary(), "*")
	if err != nil {
		return nil, fmt.Errorf("download %q: %w", p.object, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, discard(file))
		}
	}()
	from, _, err := r.opts.Objects.Get(ctx, p.object, p.off, p.size)
	if err != nil {
		return nil, fmt.Errorf("download %q: %w", p.object, err)
	}
	defer from.Close()
	sum := xxhash.New()
	n, err := io.Copy(io.MultiWriter(file, sum, &r.counts.downloaded), io.LimitReader(from, p.size))
	switch {
	case err != nil:
		return nil, fmt.Errorf("download %q: %w", p.object, err)
	case n != p.size:
		return nil, fmt.Errorf("download %q: %d bytes of %d came: %w", p.object, n, p.size, io.ErrUnexpectedEOF)
	case sum.Sum64() != p.sum:
		return nil, untrue("%q has not the sum that its manifest says", p.object)
	}
	return file, nil
}

// discard closes a file and removes it.
func discard(file *os.File) error {
	return errors.Join(file.Close(), os.Remove(filepath.Clean(file.Name())))
}

// getAll downloads pieces one after the other, and hands them to use. It makes one attempt.
func (r *Replica) getAll(ctx context.Context, pieces []piece, use func([]*os.File) error) (err error) {
	var size int64
	for _, p := range pieces {
		size += p.size
	}
	size = min(size, inFlight)
	if err := r.bytes.Acquire(ctx, size); err != nil {
		return context.Cause(ctx)
	}
	defer r.bytes.Release(size)
	files := make([]*os.File, 0, len(pieces))
	defer func() {
		for _, file := range files {
			err = errors.Join(err, discard(file))
		}
	}()
	for _, p := range pieces {
		file, err := r.get(ctx, p)
		if err != nil {
			return err
		}
		files = append(files, file)
	}
	return use(files)
}

// retry calls attempt until it returns nil, for at most Options.Patience. An error that does not
// say that it may pass is one after certainTries.
func (r *Replica) retry(ctx context.Context, attempt func(context.Context) error) error {
	ctx, stop := context.WithTimeoutCause(ctx, r.opts.Patience, errPatience)
	defer stop()
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = r.opts.backoff, maxBackoff
	wait.Reset()
	for certain := 1; ; {
		err := attempt(ctx)
		switch {
		case err == nil, r.ctx.Err() != nil:
			return errors.Join(err, context.Cause(r.ctx))
		case ctx.Err() != nil:
			return outOfPatience(err)
		case errors.Is(err, errLocal):
			return err
		case !mirror.Temporary(err):
			if certain++; certain > certainTries {
				return err
			}
		}
		r.counts.retries.Add(1)
		r.log.Debug().Err(err).Msg("trying again")
		select {
		case <-ctx.Done():
			return outOfPatience(err)
		case <-time.After(wait.NextBackOff()):
		}
	}
}

// errPatience ends a download that does not come.
var errPatience = errors.New("the object store does not deliver")

// outOfPatience is the error of a download that was last tried with err. That is not in it
// as an error: it may be the deadline's, and readers' own deadlines are another thing.
func outOfPatience(err error) error {
	return fmt.Errorf("%w: %v", errPatience, err) //nolint:errorlint // see above
}

// errLocal marks what is not the object store's fault.
var errLocal = errors.New("local store")
