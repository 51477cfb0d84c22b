package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"sync"
	"sync/atomic"
	"time"

	"github.com/motefs/motefs/cache"
)

// arrival is one file that readers see while it is being fetched. One goroutine,
// that of the fetch, writes its stream into the blob; readers read what has come
// from the same file, and what was asked for by itself from a scratch file. So a
// part never meets the stream, in whatever order they come.
type arrival struct {
	e     *Engine
	ctx   context.Context // of the fetch
	key   string
	name  string      // the origin's
	entry cache.Entry // as readers see it; does not change
	etag  string      // of the answer, as modTime is
	// modTime may be another than the entry's: of one version, the listing's counts.
	modTime int64
	check   func(whole io.Reader) error // of the answer; nil: nothing is known

	blob   *cache.BlobWriter
	handed bool // blob is the page's
	buf    []byte
	file   *cache.PartReader // of what is in blob
	parts  struct {
		once sync.Once
		file *cache.Scratch
		err  error
	}
	refs atomic.Int32 // the fetch and the readers; the last closes the files

	mu struct {
		sync.Mutex
		came    int64          // bytes of the stream
		parts   big.Int        // bit k: part k is in the scratch file
		asked   map[int64]bool // parts under way
		noRange bool           // the origin does not serve parts of it
		err     error          // why no more will come
		change  chan struct{}  // closed when any of these changes; nil if nobody waits
	}
}

func newArrival(d *demanded, entry cache.Entry, obj *Object) (*arrival, error) {
	blob, err := d.e.store.NewBlob()
	if err != nil {
		return nil, err
	}
	file, err := blob.Reader()
	if err != nil {
		return nil, errors.Join(err, blob.Abort())
	}
	a := &arrival{
		e: d.e, ctx: d.ctx, key: d.key, name: d.page.Name(0), entry: entry, etag: string(obj.ETag), modTime: obj.ModTime, check: obj.Check,
		blob: blob, file: file, buf: make([]byte, streamBuffer),
	}
	a.entry.Arriving = true
	if !entry.Promised() {
		a.entry.ModTime = obj.ModTime
	}
	a.entry.Size, a.entry.ETag, a.entry.Fetched = obj.Size, a.etag, blob.Began()
	a.mu.asked = map[int64]bool{}
	a.refs.Store(1)
	return a, nil
}

func (a *arrival) release() {
	if a.refs.Add(-1) > 0 {
		return
	}
	a.file.Close() //nolint:errcheck // read only
	if a.parts.file != nil {
		a.parts.file.Close() //nolint:errcheck // nobody wants what is in it any more
	}
}

// end tells readers that no more will come: err is why, nil if all has.
func (a *arrival) end(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.err = err
	a.changedLocked()
}

func (a *arrival) changedLocked() {
	if a.mu.change != nil {
		close(a.mu.change)
		a.mu.change = nil
	}
}

// got is how many bytes of the stream have come.
func (a *arrival) got() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mu.came
}

// fill takes the stream from where it stopped to its end. The error is a
// storeError, ErrChanged, or that of a broken stream.
func (a *arrival) fill(r io.Reader) error {
	for {
		n, err := r.Read(a.buf)
		if n > 0 {
			if err := a.advance(a.buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if a.got() != a.entry.Size {
		return fmt.Errorf("%w: %d of %d bytes", ErrCut, a.got(), a.entry.Size)
	}
	return nil
}

// advance adds p to the stream.
func (a *arrival) advance(p []byte) error {
	from := a.got()
	end := from + int64(len(p))
	if end > a.entry.Size {
		return fmt.Errorf("%w: more than %d bytes", ErrFraming, a.entry.Size)
	}
	if _, err := a.blob.Write(p); err != nil {
		return asStoreError(err)
	}
	a.mu.Lock()
	a.mu.came = end
	var seen []int64 // parts that readers may have seen
	for k := from / partLen; k*partLen < end; k++ {
		if a.mu.parts.Bit(int(k)) == 1 {
			seen = append(seen, k)
		}
	}
	a.changedLocked()
	a.mu.Unlock()
	for _, k := range seen {
		if err := a.sameAsPart(k, p, from); err != nil {
			return err
		}
	}
	return nil
}

// again takes a new answer for a file whose stream broke off. It has to be of the
// same version, and to begin with the very bytes that have come.
func (a *arrival) again(obj *Object) error {
	if obj.Stream == nil || obj.Size != a.entry.Size || obj.ModTime != a.modTime || string(obj.ETag) != a.etag {
		return fmt.Errorf("%w: it has other validators or another length", ErrChanged)
	}
	before := make([]byte, streamBuffer)
	for off, came := int64(0), a.got(); off < came; {
		n := min(int64(len(before)), came-off)
		if _, err := io.ReadFull(obj.Stream, a.buf[:n]); err != nil {
			return err
		}
		if _, err := a.file.ReadAt(before[:n], off); err != nil {
			return asStoreError(err)
		}
		if !bytes.Equal(before[:n], a.buf[:n]) {
			return fmt.Errorf("%w: it begins with other bytes", ErrChanged)
		}
		off += n
	}
	return a.fill(obj.Stream)
}

// checked is an error unless what has come, in several answers, comes to the sum that the
// first of them said.
func (a *arrival) checked() error {
	if a.check == nil {
		return nil
	}
	return asStoreError(a.check(io.NewSectionReader(a.file, 0, a.entry.Size)))
}

// readAt is Engine.ReadAt.
func (a *arrival) readAt(ctx context.Context, p []byte, off int64, patience time.Duration) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read inode %d at %d: negative offset", a.entry.Inode, off)
	}
	if off >= a.entry.Size {
		return 0, nil
	}
	p = p[:min(int64(len(p)), a.entry.Size-off)]
	came, err := a.wait(ctx, off, off+int64(len(p)), patience)
	if err != nil {
		return 0, err
	}
	for n := 0; n < len(p); {
		at := off + int64(n)
		var err error
		piece := p[n:]
		if at < came {
			piece = piece[:min(int64(len(piece)), came-at)]
			_, err = a.file.ReadAt(piece, at)
		} else {
			piece = piece[:min(int64(len(piece)), (at/partLen+1)*partLen-at)]
			_, err = a.parts.file.ReadAt(piece, at)
		}
		if err != nil {
			return 0, err
		}
		n += len(piece)
	}
	return len(p), nil
}

// wait returns when all bytes from off to end can be read, and how many bytes of
// the stream there are then.
func (a *arrival) wait(ctx context.Context, off, end int64, patience time.Duration) (came int64, err error) {
	var timer *time.Timer
	for last := int64(-1); ; {
		came, change, err := a.want(off, end)
		if err != nil || change == nil {
			return came, err
		}
		if timer == nil {
			timer = time.NewTimer(patience)
			defer timer.Stop()
		} else if came > last {
			timer.Reset(patience)
		}
		last = came
		select {
		case <-change:
		case <-timer.C:
			return 0, fmt.Errorf("read at %d of %d bytes, of which %d have come: %w", off, a.entry.Size, came, context.DeadlineExceeded)
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// want returns how many bytes of the stream have come, and unless the bytes from
// off to end can be read, what to wait for. Parts far from the stream are asked for.
func (a *arrival) want(off, end int64) (came int64, change <-chan struct{}, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.err != nil {
		return 0, nil, a.mu.err
	}
	came = a.mu.came
	if end <= came {
		return came, nil, nil
	}
	first, missing := max(off, came)/partLen, false
	k := first
	for ; k*partLen < end; k++ {
		if a.mu.parts.Bit(int(k)) == 0 {
			missing = true
			a.askLocked(k)
		}
	}
	if first > 0 && a.mu.parts.Bit(int(first-1)) == 1 {
		// Whoever goes on where a part ends is likely to go on.
		for ahead := k + partsAhead; k < ahead && k*partLen < a.entry.Size; k++ {
			a.askLocked(k)
		}
	}
	if !missing {
		return came, nil, nil
	}
	if a.mu.change == nil {
		a.mu.change = make(chan struct{})
	}
	return came, a.mu.change, nil
}
