package mirror

import (
	"context"
	"errors"
	"runtime/pprof"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/motefs/motefs/cache"
	"golang.org/x/sync/semaphore"
)

const (
	// aheadFirst and aheadMost are the shortest and the longest window, in
	// files; each is aheadGrowth times the one before.
	aheadFirst  = 8
	aheadMost   = 1024
	aheadGrowth = 4
	// aheadPiece is how many files are asked for, and committed, at once.
	aheadPiece = 256
	// aheadSlack is how far from where it is expected a reader may go on:
	// programs leave files out, and several share a directory.
	aheadSlack = 16
	// aheadReaders is how many readers are followed.
	aheadReaders = 64
	// aheadWindows is how many windows are fetched at the same time.
	aheadWindows = 16
	// aheadPatience is how long a reader waits for a window that does not move:
	// the origin may hang on a file in it that nobody reads.
	aheadPatience = 2 * time.Second
	// aheadFile is the longest file, in bytes, that is fetched before anyone
	// asks for it, and aheadBytes bounds a window by the files seen before.
	aheadFile  = 4 << 20
	aheadBytes = 32 << 20
)

// errLongFile ends a window at a file over aheadFile.
var errLongFile = errors.New("too long to be read ahead")

// readahead watches the misses of readers. One that goes through files in the
// order of their numbers, which is the listing's and that of ls, tar and find,
// gets the files behind fetched before it comes to them: a window that grows as
// long as it keeps on, and then two, so that one is on its way while the other
// is read.
type readahead struct {
	e      *Engine
	places *semaphore.Weighted
	// meanBody is how long the files of the last piece were on average, in bytes.
	meanBody atomic.Int64
	mu       struct {
		sync.Mutex
		readers []*follow // the latest last
		windows []*window // under way
	}
}

// follow is one reader in order.
type follow struct {
	next  cache.Inode // where it is expected
	end   cache.Inode // of what was, or is being, read ahead for it
	files int         // of its last window
	off   bool        // its files are too long
}

// window is a range of numbers of which the pending files are being fetched.
type window struct {
	reader   *follow
	from, to cache.Inode
	mu       struct {
		sync.Mutex
		done   cache.Inode   // what is below is committed, or will not be
		change chan struct{} // closed when done moves
	}
}

func (a *readahead) init(e *Engine) { a.e, a.places = e, semaphore.NewWeighted(aheadWindows) }

// wait is called for every miss. It starts what should be read ahead, and where
// the file is in a window under way waits for it. ok is false where the file has
// to be fetched by itself.
func (a *readahead) wait(ctx context.Context, parent cache.Inode, name string) (entry cache.Entry, err error, ok bool) {
	entry, err = a.e.store.Lookup(parent, name)
	if err != nil || entry.Kind != cache.File || entry.State != cache.Pending {
		return entry, nil, false
	}
	w := a.note(entry.Inode)
	if w == nil {
		return entry, nil, false
	}
	if done, err := w.wait(ctx, entry.Inode); err != nil || !done {
		return entry, err, err != nil
	}
	entry, err = a.e.store.Lookup(parent, name)
	return entry, nil, err == nil && entry.Here()
}

// note follows the reader that has come to ino. It returns the window that ino is
// in, if there is one.
func (a *readahead) note(ino cache.Inode) *window {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.readerLocked(ino)
	w := a.coveringLocked(ino)
	switch {
	case r == nil || r.off:
		return w
	case w == nil && ino >= r.next: // it has outrun what was read ahead, if anything was
		r.end = ino
		a.growLocked(r)
		a.startLocked(r)
		a.startLocked(r)
	case w != nil && w.reader == r && w.to == r.end: // it is in the last one
		a.growLocked(r)
		a.startLocked(r)
	}
	r.next = max(r.next, ino+1)
	return a.coveringLocked(ino)
}

// readerLocked finds the reader that goes on at ino; the first miss of a new one
// is only remembered.
func (a *readahead) readerLocked(ino cache.Inode) *follow {
	for i, r := range slices.Backward(a.mu.readers) {
		if ino+aheadSlack >= r.next && ino <= max(r.next, r.end)+aheadSlack {
			a.mu.readers = append(slices.Delete(a.mu.readers, i, i+1), r)
			return r
		}
	}
	if len(a.mu.readers) == aheadReaders {
		a.mu.readers = slices.Delete(a.mu.readers, 0, 1)
	}
	a.mu.readers = append(a.mu.readers, &follow{next: ino + 1, end: ino + 1})
	return nil
}

func (a *readahead) coveringLocked(ino cache.Inode) *window {
	for _, w := range a.mu.windows {
		if w.from <= ino && ino < w.to {
			return w
		}
	}
	return nil
}

func (a *readahead) growLocked(r *follow) {
	most := min(aheadMost, aheadBytes/(int(a.meanBody.Load())+1)+1)
	r.files = min(max(aheadFirst, r.files*aheadGrowth), most)
}

// startLocked fetches the window behind those of a reader, if there is a place
// for it. It does not overlap one of another reader.
func (a *readahead) startLocked(r *follow) {
	for other := a.coveringLocked(r.end); other != nil; other = a.coveringLocked(r.end) {
		r.end = other.to
	}
	w := &window{reader: r, from: r.end, to: min(r.end+cache.Inode(r.files), a.e.store.Progress().Next)}
	for _, other := range a.mu.windows {
		if other.from > w.from {
			w.to = min(w.to, other.from)
		}
	}
	if w.from >= w.to || !a.places.TryAcquire(1) {
		return
	}
	if !a.e.begin() {
		a.places.Release(1)
		return
	}
	r.end = w.to
	w.mu.done, w.mu.change = w.from, make(chan struct{})
	a.mu.windows = append(a.mu.windows, w)
	go func() {
		defer a.e.wg.Done()
		pprof.Do(a.e.ctx, pprof.Labels("motefs", "readahead"), func(ctx context.Context) {
			a.fetch(ctx, w)
		})
	}()
}

// fetch fetches a window. Whatever becomes of it is told to no one: what is then
// not here is fetched by those who ask for it.
func (a *readahead) fetch(ctx context.Context, w *window) {
	ctx, cancel := context.WithTimeout(ctx, demandDeadline)
	defer cancel()
	err := a.e.guard(func() error { return a.fetchPages(ctx, w) })
	if err != nil && ctx.Err() == nil && !errors.Is(err, errLongFile) {
		a.e.opts.Log.Debug().Err(err).Msg("reading ahead")
	}
	a.places.Release(1)
	a.mu.Lock()
	w.reader.off = w.reader.off || errors.Is(err, errLongFile)
	a.mu.windows = slices.DeleteFunc(a.mu.windows, func(other *window) bool { return other == w })
	a.mu.Unlock()
	w.reached(w.to)
}

func (a *readahead) fetchPages(ctx context.Context, w *window) error {
	for from := w.from; from < w.to; {
		page, next, err := a.e.store.Pending(from, w.to, batchSize)
		if err != nil {
			return err
		}
		if page != nil {
			err = a.fetchPage(ctx, w, page)
		}
		if err != nil {
			return err
		}
		w.reached(next)
		from = next
	}
	return nil
}

// fetchPage fetches the open files of a page, a piece at a time. What goes wrong
// with a file is left to its reader, who asks for it alone.
func (a *readahead) fetchPage(ctx context.Context, w *window, page *cache.Page) (err error) {
	defer func() { err = errors.Join(err, page.Close()) }()
	if err := a.e.store.Room(); err != nil {
		return err
	}
	if err := page.Load(); err != nil {
		return err
	}
	var slots []int
	for k := range page.Len() {
		if page.Open(k) && page.Size(k) <= aheadFile { // which of most is not known before
			slots = append(slots, k)
		}
	}
	in := intake{e: a.e, ctx: ctx, page: page}
	in.failed = func(_ int, err error) {
		if errors.Is(err, errLongFile) {
			in.end(err) // no more of them
		}
		a.e.throttled(err)
	}
	in.refuse = func(obj *Object) error {
		if obj.Stream != nil && (obj.Size < 0 || obj.Size > aheadFile) {
			return errLongFile
		}
		return nil
	}
	for piece := range slices.Chunk(slots, aheadPiece) {
		w.reached(page.Inode(piece[0]))
		err := in.fetch(piece)
		a.meanBody.Store(in.bytes / int64(max(in.good, 1)))
		if storeFailed(err) {
			return err
		}
		if err := errors.Join(err, page.Commit()); err != nil {
			return err
		}
	}
	return nil
}

// reached wakes who waits for a number below ino.
func (w *window) reached(ino cache.Inode) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ino > w.mu.done {
		w.mu.done = ino
		close(w.mu.change)
		w.mu.change = make(chan struct{})
	}
}

// wait returns true when the window is done with ino, false where it has not moved
// for aheadPatience, or ctx's error.
func (w *window) wait(ctx context.Context, ino cache.Inode) (done bool, err error) {
	patience := time.NewTimer(aheadPatience)
	defer patience.Stop()
	for {
		w.mu.Lock()
		reached, change := w.mu.done, w.mu.change
		w.mu.Unlock()
		if ino < reached {
			return true, nil
		}
		select {
		case <-change:
			patience.Reset(aheadPatience)
		case <-patience.C:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}
