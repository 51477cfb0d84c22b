package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/pprof"
)

const (
	// partLen is how much of a file is asked for by itself, in bytes: parts
	// begin at its multiples.
	partLen = 1 << 20
	// seekDistance is how far behind the end of what has come a part has to
	// begin to be asked for by itself; nearer ones are waited for.
	seekDistance = 4 << 20
	// partsAhead is how many parts are asked for ahead of a reader that went
	// from one part into the next.
	partsAhead = 2
	// fileRanges and allRanges bound the parts that are asked for at the same
	// time, of one file and in all. Each takes streamBuffer of memory.
	fileRanges = 4
	allRanges  = 16
)

// askLocked has part k fetched by itself, if that is of use. Where too many are
// under way, whoever waits asks again when one of them has come.
func (a *arrival) askLocked(k int64) {
	fetcher, ok := a.e.opts.Fetcher.(RangeFetcher)
	if !ok || a.mu.noRange || k*partLen < a.mu.came+seekDistance || a.mu.parts.Bit(int(k)) == 1 || a.mu.asked[k] || len(a.mu.asked) >= fileRanges {
		return
	}
	if !a.e.begin() {
		return
	}
	a.mu.asked[k] = true
	a.refs.Add(1)
	go func() {
		defer a.e.wg.Done()
		defer a.release()
		pprof.Do(a.ctx, pprof.Labels("motefs", "range"), func(ctx context.Context) {
			a.gotPart(k, a.e.guard(func() error { return a.fetchPart(ctx, fetcher, k) }))
		})
	}()
}

// part describes the part of the version shown from off to end.
func (a *arrival) part(off, end int64) Part {
	return Part{Off: off, Len: end - off, Size: a.entry.Size, ETag: a.etag, ModTime: a.modTime}
}

func (a *arrival) fetchPart(ctx context.Context, fetcher RangeFetcher, k int64) error {
	if err := a.e.arrivals.ranges.Acquire(ctx, 1); err != nil {
		return err
	}
	defer a.e.arrivals.ranges.Release(1)
	a.parts.once.Do(func() { a.parts.file, a.parts.err = a.e.store.NewScratch() })
	if a.parts.err != nil {
		return a.parts.err
	}
	part := a.part(k*partLen, min((k+1)*partLen, a.entry.Size))
	return a.e.retry(ctx, new(demandTries), func() (bool, error) {
		return false, fetcher.FetchRange(ctx, a.name, part, func(obj *Object) error { return a.keepPart(&part, obj) })
	})
}

// keepPart writes a part into the scratch file.
func (a *arrival) keepPart(part *Part, obj *Object) error {
	buf := make([]byte, streamBuffer)
	for done := int64(0); done < part.Len; {
		n, err := io.ReadFull(obj.Stream, buf[:min(int64(len(buf)), part.Len-done)])
		if err != nil {
			return err
		}
		if err := a.parts.file.WriteAt(buf[:n], part.Off+done); err != nil {
			return err
		}
		done += int64(n)
	}
	return nil
}

// gotPart tells readers that part k has come, or that parts will not come.
func (a *arrival) gotPart(k int64, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.mu.asked, k)
	switch {
	case err != nil:
		// Whatever it was, the stream brings all bytes, and is on its way.
		a.mu.noRange = true
		a.e.opts.Log.Debug().Err(err).Msg("no parts of a long file from the origin; readers wait for the stream")
	case k*partLen >= a.mu.came:
		a.mu.parts.SetBit(&a.mu.parts, int(k), 1)
	}
	// One that the stream has come to meanwhile is left to the stream:
	// advance compares with it all parts that can have been read.
	a.changedLocked()
}

// sameAsPart compares p, which the stream has at from, with part k, so that what
// readers were given of that is certain to be of the same version.
func (a *arrival) sameAsPart(k int64, p []byte, from int64) error {
	start, end := max(k*partLen, from), min((k+1)*partLen, from+int64(len(p)))
	part := make([]byte, end-start)
	if _, err := a.parts.file.ReadAt(part, start); err != nil {
		return asStoreError(err)
	}
	if !bytes.Equal(part, p[start-from:end-from]) {
		return fmt.Errorf("%w: a part of it has other bytes", ErrChanged)
	}
	return nil
}

// resume takes the rest of a stream that broke off. done is false where the file
// has to be asked for from its beginning.
func (a *arrival) resume(ctx context.Context) (done bool, err error) {
	fetcher, ok := a.e.opts.Fetcher.(RangeFetcher)
	a.mu.Lock()
	came, noRange := a.mu.came, a.mu.noRange
	a.mu.Unlock()
	if !ok || noRange || came == 0 {
		return false, nil
	}
	if came == a.entry.Size {
		return true, a.checked()
	}
	err = fetcher.FetchRange(ctx, a.name, a.part(came, a.entry.Size), func(obj *Object) error { return a.fill(obj.Stream) })
	if err == nil {
		return true, a.checked()
	}
	if !errors.Is(err, ErrRange) {
		return true, err
	}
	a.mu.Lock()
	a.mu.noRange = true
	a.mu.Unlock()
	return false, nil
}
