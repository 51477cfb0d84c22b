package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"

	"github.com/motefs/motefs/cache"
)

// work takes batches from the queue until it is closed.
func (r *run) work(ctx, fetchCtx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case b, ok := <-r.queue:
			if !ok {
				return nil
			}
			if ctx.Err() != nil { // select takes either
				return errors.Join(context.Cause(ctx), b.end())
			}
			if err := r.process(fetchCtx, b); err != nil {
				return err
			}
		}
	}
}

// end lets go of what a batch holds.
func (b *batch) end() error {
	if b.release != nil {
		b.release()
	}
	if b.page == nil {
		return nil
	}
	return b.page.Close()
}

// process fetches a batch and commits it, also where it could be fetched only in
// part: what is missing is then pending in the store.
func (r *run) process(ctx context.Context, b *batch) (err error) {
	defer func() { err = errors.Join(err, b.end()) }()
	if b.page == nil {
		return r.track.finish(b, true)
	}
	if err := b.page.Load(); err != nil {
		return err
	}
	var gone []int
	var fetchErr error
	if r.e.opts.Prefetch {
		gone, fetchErr = r.e.fetchPage(ctx, b.page)
	}
	if storeFailed(fetchErr) {
		return fetchErr
	}
	if err := b.page.Commit(); err != nil {
		return err
	}
	if r.started.ListingComplete && r.e.opts.Events.Gone != nil {
		for _, k := range gone { // they have been shown until now
			r.e.opts.Events.Gone(b.page.Where(k))
		}
	}
	return errors.Join(fetchErr, r.track.finish(b, b.page.Settled()))
}

// storeError is a failure of the store while a file was put there.
type storeError struct{ error }

func (e storeError) Unwrap() error { return e.error }

func storeFailed(err error) bool {
	_, ok := errors.AsType[storeError](err)
	return ok
}

// fetcher fetches the open files of one page.
type fetcher struct {
	e     *Engine
	ctx   context.Context
	page  *cache.Page
	stop  context.CancelCauseFunc
	tries map[int]int // of the files that have had more than one, by slot

	slots []int // to be asked for in this attempt
	names []string
	piece int   // the index in both where what was asked for last begins
	bytes int64 // of the bodies that were taken since then
	gone  []int // that the origin does not have any more
	again []int // to be asked for in the next
	// suspects are those of again on which the origin's answer broke off or
	// was wrong, so that it may be the file's fault.
	suspects []int
	// answers counts the whole answers of this attempt, whatever they said but
	// for a status that may pass: that is also how a proxy in front of an
	// origin that is down answers for every file.
	answers int
	lastErr error
	singly  bool // after ErrDesync
	// ahead, where it is not nil, is the window that is read ahead: what goes
	// wrong is then left to its reader, who asks for it alone.
	ahead   *window
	copyBuf []byte
}

// fetchPage fetches every open file of the page, in as many attempts as it
// takes. A file that has been tried maxTries times is recorded as failed. It returns
// those that are gone. The error is ctx's, ErrUnreachable after an outage, or
// the store's; files that nothing was decided for are then still open.
func (e *Engine) fetchPage(ctx context.Context, page *cache.Page) (gone []int, err error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	f := &fetcher{e: e, ctx: ctx, page: page, stop: stop}
	for k := range page.Len() {
		if page.Open(k) {
			f.slots = append(f.slots, k)
		}
	}
	if len(f.slots) == 0 {
		return nil, nil
	}
	f.names = make([]string, 0, len(f.slots))
	err = e.retry(ctx, e.opts.Outage, f.attempt)
	if putOff(err) && ctx.Err() == nil && e.alive(ctx) {
		// The origin is well, and has put these files off all the while.
		f.failRest(err)
		err = nil
	}
	return f.gone, err
}

func (f *fetcher) failRest(err error) {
	for _, k := range f.slots {
		if f.page.Open(k) {
			f.page.Fail(k, max(f.tries[k], 1), err)
		}
	}
}

// attempt asks once for everything that is left.
func (f *fetcher) attempt() (progress bool, err error) {
	f.names, f.again, f.suspects, f.answers, f.lastErr = f.names[:0], f.again[:0], f.suspects[:0], 0, nil
	for _, k := range f.slots {
		f.names = append(f.names, f.page.Name(k))
	}
	err = f.ask()
	desync := errors.Is(err, ErrDesync)
	if err != nil && !desync {
		return f.answers > 0, err
	}
	if desync {
		// What came may be in the wrong places, and all of it is asked for
		// again. With one request at a time there is nothing to confuse.
		f.singly, f.lastErr = true, err
		if err := f.takeBack(); err != nil {
			return false, err
		}
	}
	charged := len(f.suspects) > 0 && (f.answers > 0 || f.e.alive(f.ctx))
	if charged {
		f.charge()
	}
	if len(f.again) == 0 {
		return true, nil
	}
	// In another order, so that one file on which the origin chokes is not
	// always in front of the same others.
	rand.Shuffle(len(f.again), func(i, j int) { f.again[i], f.again[j] = f.again[j], f.again[i] })
	f.slots, f.again = f.again, f.slots
	return f.answers > 0 || charged, f.lastErr
}

// takeBack makes all files that are not committed open again, and due again.
func (f *fetcher) takeBack() error {
	if err := f.page.Discard(); err != nil {
		return storeError{err}
	}
	f.again = f.again[:0]
	for k := range f.page.Len() {
		if f.page.Open(k) {
			f.again = append(f.again, k)
		}
	}
	f.gone = slices.DeleteFunc(f.gone, f.page.Open)
	return nil
}

// minPiece is the least number of files that are asked for at once, however
// long they are.
const minPiece = 64

// pieceLen is how many files are asked for at once, so that what comes does not
// have to be committed before the last of it proves the rest; see ErrDesync.
func (f *fetcher) pieceLen() int {
	if f.singly {
		return 1
	}
	if f.ahead != nil {
		return aheadPiece
	}
	mean := int(f.e.meanBody.Load())
	return max(minPiece, cache.BatchLimit/2/(mean+1))
}

// ask asks for the names, piece by piece, as fast as the pace allows.
func (f *fetcher) ask() error {
	for f.piece = 0; f.piece < len(f.names); {
		n, err := f.e.pace.take(f.ctx, min(f.pieceLen(), len(f.names)-f.piece))
		if err != nil {
			return err
		}
		if f.ahead != nil || f.page.ShouldCommit(n*int(f.e.meanBody.Load())) {
			if err := f.page.Commit(); err != nil {
				return storeError{err}
			}
			if f.ahead != nil {
				f.ahead.reached(f.page.Inode(f.slots[f.piece]))
			}
		}
		f.bytes = 0
		if err := f.e.opts.Fetcher.Fetch(f.ctx, f.names[f.piece:f.piece+n], f.deliver); err != nil {
			return err
		}
		if n >= minPiece {
			f.e.meanBody.Store(f.bytes / int64(n))
		}
		if err := f.e.pace.got(f.ctx, n, f.bytes); err != nil {
			return err
		}
		f.piece += n
	}
	return nil
}

// charge counts a try for each suspect, and gives up those that have had enough.
func (f *fetcher) charge() {
	if f.tries == nil {
		f.tries = make(map[int]int, len(f.suspects))
	}
	for _, k := range f.suspects {
		if f.tries[k]++; f.tries[k] >= maxTries {
			f.page.Fail(k, f.tries[k], f.lastErr)
		}
	}
	f.again = slices.DeleteFunc(f.again, func(k int) bool { return !f.page.Open(k) })
}

// alive reports whether the origin answers at all. It is asked only when a whole
// attempt got no answer, to tell an outage, which is held against no file, from
// a file on which the origin chokes.
func (e *Engine) alive(ctx context.Context) bool {
	_, err := e.opts.Lister.List(ctx, "")
	return err == nil || !Temporary(err)
}

// deliver takes one answer.
func (f *fetcher) deliver(i int, obj *Object, err error) {
	k := f.slots[f.piece+i]
	if err == nil && f.ahead != nil && f.ahead.tooLong(obj) {
		f.stop(errLongFile)
		return
	}
	if err == nil {
		err = f.put(k, obj)
	}
	switch {
	case err == nil:
		f.answers++
	case storeFailed(err) || errors.Is(err, ErrClosed):
		f.stop(err)
	case f.ctx.Err() != nil: // not the file's fault
	case errors.Is(err, ErrGone):
		f.answers++
		f.gone = append(f.gone, k)
		if err := f.page.Gone(k); err != nil {
			f.stop(storeError{err})
		}
	case f.ahead != nil:
		f.e.throttled(err)
	case Temporary(err):
		f.tryAgain(k, err)
	default:
		f.answers++
		f.page.Fail(k, f.tries[k]+1, err)
	}
}

func (f *fetcher) tryAgain(k int, err error) {
	f.again = append(f.again, k)
	f.lastErr = err
	if f.e.throttled(err) || errors.Is(err, ErrUnreachable) || errors.Is(err, ErrDesync) {
		return // says nothing about the file
	}
	f.suspects = append(f.suspects, k)
}

// put stores one file. Its error is a storeError, or that of a broken stream.
func (f *fetcher) put(k int, obj *Object) error {
	if f.page.ShouldCommit(len(obj.Body)) {
		if err := f.page.Commit(); err != nil {
			return storeError{err}
		}
	}
	f.bytes += int64(len(obj.Body))
	if obj.Stream == nil && len(obj.Body) <= f.e.store.InlineLimit() {
		if err := f.page.Put(k, obj.Body, obj.ModTime, obj.ETag); err != nil {
			return storeError{err}
		}
		return nil
	}
	blob, err := f.e.store.NewBlob()
	if err != nil {
		return storeError{err}
	}
	if err := f.fill(blob, obj); err != nil {
		if abort := blob.Abort(); abort != nil {
			return storeError{abort}
		}
		return err
	}
	if err := f.page.PutBlob(k, blob, obj.ModTime, obj.ETag); err != nil {
		return storeError{err}
	}
	return nil
}

// streamBuffer is the length of the pieces in which a long file is stored.
const streamBuffer = 128 << 10

func (f *fetcher) fill(blob *cache.BlobWriter, obj *Object) error {
	if obj.Stream == nil {
		_, err := blob.Write(obj.Body)
		return asStoreError(err)
	}
	if f.copyBuf == nil {
		f.copyBuf = make([]byte, streamBuffer)
	}
	n, err := io.CopyBuffer(blob, pacedReader{f, obj.Stream}, f.copyBuf)
	if err != nil {
		return asStoreError(err)
	}
	if obj.Size >= 0 && n != obj.Size {
		return fmt.Errorf("%w: %d of %d bytes", ErrCut, n, obj.Size)
	}
	return nil
}

// pacedReader keeps a long file within the limit of bytes a second.
type pacedReader struct {
	f *fetcher
	r io.Reader
}

func (p pacedReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if n > 0 {
		if err := p.f.e.pace.got(p.f.ctx, 0, int64(n)); err != nil {
			return n, err
		}
	}
	return n, err
}

// asStoreError tells the disk's errors from the origin's.
func asStoreError(err error) error {
	if disk, ok := errors.AsType[*cache.DiskError](err); ok {
		return storeError{disk}
	}
	return err
}
