package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/motefs/motefs/cache"
)

// intake puts what a Fetcher gets into the slots of a page. What becomes of the
// files that do not come is its user's to say.
type intake struct {
	e    *Engine
	ctx  context.Context
	page *cache.Page
	// slots are the page's slots that were asked for, by their index in the
	// names; failed is called for those that did not come.
	slots  []int
	failed func(slot int, err error)
	// refuse, where it is not nil, says why a content is not wanted.
	refuse func(obj *Object) error
	// wait, where it is not nil, is told of the bytes of streams as they come,
	// and keeps them within a limit. They are read in pieces of at most piece bytes, so that no
	// wait is taken for an origin's that says nothing.
	wait  func(bytes int64) error
	piece int

	good   int   // files that came
	bytes  int64 // their length
	bodies int64 // bytes that came, but for those that wait is told of
	stored int   // of them those that were not here
	told   struct {
		files int
		bytes int64
	} // what of stored and bytes is in the engine's counts
	spooled map[int]*cache.BlobWriter
	copyBuf []byte
	latest  int // slot of the last that came
	// err is why nothing more is taken: the store's error.
	err       error
	stop      context.CancelFunc
	committed time.Time
}

// commitEvery is how long content waits in memory, where it comes so slowly that
// a batch would take longer.
const commitEvery = time.Second

// storeError is a failure of the store while a file was put there.
type storeError struct{ error }

func (e storeError) Unwrap() error { return e.error }

func storeFailed(err error) bool {
	_, ok := errors.AsType[storeError](err)
	return ok
}

// asStoreError tells the disk's errors from the origin's.
func asStoreError(err error) error {
	if disk, ok := errors.AsType[*cache.DiskError](err); ok {
		return storeError{disk}
	}
	return err
}

// fetch asks for the names of the slots, once. Its error is ctx's or the
// store's.
func (in *intake) fetch(slots []int) error {
	names := make([]string, len(slots))
	for i, k := range slots {
		names[i] = in.page.Name(k)
	}
	in.slots, in.committed = slots, time.Now()
	var ctx context.Context
	ctx, in.stop = context.WithCancel(in.ctx)
	defer in.stop()
	r := Receiver{Receive: in.receive, Settled: in.settled, Spool: in.spool}
	if slices.ContainsFunc(slots, in.page.Reviewed) {
		r.Known = in.known
	}
	err := in.e.opts.Fetcher.Fetch(ctx, names, r)
	for _, blob := range in.spooled {
		in.err = errors.Join(in.err, asStoreError(blob.Abort()))
	}
	in.spooled = nil
	in.tell()
	return errors.Join(in.err, err)
}

// tell adds what came to the engine's counts.
func (in *intake) tell() {
	in.e.counts.came(in.stored-in.told.files, in.bytes-in.told.bytes)
	in.told.files, in.told.bytes = in.stored, in.bytes
}

// conditionFrom is from which length on a file that is here is asked for with a
// condition. A shorter one comes whole just as fast, and comparing it is certain.
const conditionFrom = 4 << 10

// known is what the origin is told of a file that is here.
func (in *intake) known(i int) (etag []byte, modTime int64) {
	tag, modTime, size := in.page.Known(in.slots[i])
	if size < conditionFrom {
		return nil, 0
	}
	return []byte(tag), modTime
}

func (in *intake) receive(i int, obj *Object, err error) {
	k := in.slots[i]
	if in.err != nil {
		return
	}
	switch {
	case err == nil:
		err = in.put(k, obj)
	case errors.Is(err, ErrNotModified) && in.page.Reviewed(k):
		err = asStore(in.page.Same(k))
	}
	switch {
	case err == nil:
		in.good++
		in.latest = k
	case storeFailed(err):
		in.end(err)
	default:
		in.failed(k, err)
	}
}

// end has nothing more be taken.
func (in *intake) end(err error) {
	in.err = err
	in.stop()
}

// settled tells that the origin is well, and commits what has waited for long
// enough.
func (in *intake) settled() {
	if in.good == 0 || in.err != nil {
		return
	}
	in.e.health.good(in.page.Name(in.latest))
	in.tell()
	if time.Since(in.committed) >= commitEvery {
		if err := in.commit(); err != nil {
			in.end(err)
		}
	}
}

func (in *intake) commit() error {
	in.committed = time.Now()
	return asStore(in.page.Commit())
}

func asStore(err error) error {
	if err != nil {
		return storeError{err}
	}
	return nil
}

// put stores one file. Its error is a storeError, or that of a broken stream.
func (in *intake) put(k int, obj *Object) (err error) {
	blob := in.spooled[k]
	switch {
	case !in.page.Open(k):
		return nil // somebody else has stored it meanwhile
	case obj.Spooled:
		delete(in.spooled, k)
	case obj.Stream == nil && len(obj.Body) <= in.e.store.InlineLimit():
		if in.page.ShouldCommit(len(obj.Body)) {
			if err := in.commit(); err != nil {
				return err
			}
		}
		in.bytes += int64(len(obj.Body))
		in.bodies += int64(len(obj.Body))
		in.stored++
		return asStore(in.page.Put(k, obj.Body, obj.ModTime, obj.ETag))
	default:
		if blob, err = in.fill(obj); err != nil {
			return err
		}
	}
	in.bytes += blob.Size()
	in.stored++
	return asStore(in.page.PutBlob(k, blob, obj.ModTime, obj.ETag))
}

// spool keeps a content apart.
func (in *intake) spool(i int, obj *Object) error {
	k := in.slots[i]
	if old := in.spooled[k]; old != nil {
		delete(in.spooled, k)
		if err := old.Abort(); err != nil {
			return storeError{err}
		}
	}
	blob, err := in.fill(obj)
	if err != nil {
		return err
	}
	if in.spooled == nil {
		in.spooled = map[int]*cache.BlobWriter{}
	}
	in.spooled[k] = blob
	return nil
}

// streamBuffer is the length of the pieces in which a long file is stored.
const streamBuffer = 128 << 10

// fill writes a content into a blob.
func (in *intake) fill(obj *Object) (_ *cache.BlobWriter, err error) {
	if in.refuse != nil {
		if err := in.refuse(obj); err != nil {
			return nil, err
		}
	}
	blob, err := in.page.NewBlob()
	if err != nil {
		return nil, storeError{err}
	}
	defer func() {
		if err != nil {
			if abort := blob.Abort(); abort != nil {
				err = storeError{errors.Join(err, abort)}
			}
		}
	}()
	if obj.Stream == nil {
		in.bodies += int64(len(obj.Body))
		_, err := blob.Write(obj.Body)
		return blob, asStoreError(err)
	}
	if in.copyBuf == nil {
		in.copyBuf = make([]byte, streamBuffer)
	}
	n, err := io.CopyBuffer(blob, watchedReader{in, obj.Stream}, in.copyBuf)
	if err == nil && obj.Size >= 0 && n != obj.Size {
		err = fmt.Errorf("%w: %d of %d bytes", ErrCut, n, obj.Size)
	}
	return blob, asStoreError(err)
}

// watchedReader reads a long file, tells that it comes, and keeps it within the
// limit of bytes a second.
type watchedReader struct {
	in *intake
	r  io.Reader
}

func (w watchedReader) Read(b []byte) (int, error) {
	if w.in.wait != nil {
		b = b[:min(len(b), w.in.piece)]
	}
	n, err := w.r.Read(b)
	if n > 0 {
		w.in.e.health.alive()
		if w.in.wait != nil {
			if err := w.in.wait(int64(n)); err != nil {
				return n, err
			}
		}
	}
	return n, err
}
