package mirror

import (
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/motefs/motefs/cache"
)

// Fetch returns the entry called name in the directory parent, fetched now if
// its content is not in the store. However many ask for one file, the origin is
// asked once; a caller whose ctx ends stops waiting, and the fetch goes on for
// the others. It has connections of its own, never behind those of a Run.
//
// The entry of a long file is returned as soon as its length is known, and is
// then Arriving: ReadAt reads it while it comes, and the store has it afterwards.
//
// The errors are cache.ErrNotFound where the origin does not have the file,
// ctx's, ErrClosed, what the origin or the store answered, or a PanicError.
func (e *Engine) Fetch(ctx context.Context, parent cache.Inode, name string) (cache.Entry, error) {
	if a := e.arrivals.named(demandKey(parent, name)); a != nil {
		return a.entry, nil
	}
	if entry, err, ok := e.ahead.wait(ctx, parent, name); ok {
		return entry, err
	}
	ch := e.demand.DoChan(demandKey(parent, name), func() (any, error) {
		if !e.begin() {
			return cache.Entry{}, ErrClosed
		}
		defer e.wg.Done()
		return e.fetchOne(parent, name)
	})
	select {
	case <-ctx.Done():
		return cache.Entry{}, ctx.Err()
	case res := <-ch:
		entry, _ := res.Val.(cache.Entry)
		return entry, res.Err
	}
}

// fetched is how a fetch for readers ends, or that its file can be shown.
type fetched struct {
	entry cache.Entry
	err   error
}

// fetchOne fetches a file, and returns as soon as it can be shown to readers.
// The fetch may then go on.
func (e *Engine) fetchOne(parent cache.Inode, name string) (cache.Entry, error) {
	if a := e.arrivals.named(demandKey(parent, name)); a != nil {
		return a.entry, nil
	}
	if !e.begin() {
		return cache.Entry{}, ErrClosed
	}
	news := make(chan fetched, 2)
	go func() {
		defer e.wg.Done()
		pprof.Do(e.ctx, pprof.Labels("motefs", "demand"), func(ctx context.Context) {
			var whole cache.Entry
			err := e.guard(func() (err error) {
				whole, err = e.fetchWhole(ctx, parent, name, func(entry cache.Entry) { news <- fetched{entry, nil} })
				return err
			})
			news <- fetched{whole, err}
		})
	}()
	first := <-news
	return first.entry, first.err
}

// fetchWhole fetches a file into the store. show is called, at most once, where
// its entry can be shown before that.
func (e *Engine) fetchWhole(ctx context.Context, parent cache.Inode, name string, show func(cache.Entry)) (cache.Entry, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// What is shown has no deadline: it may be as long as it likes to be.
	deadline := time.AfterFunc(demandDeadline, func() { cancel(context.DeadlineExceeded) })
	defer deadline.Stop()
	if err := e.waiting.Acquire(ctx, 1); err != nil {
		return cache.Entry{}, context.Cause(ctx)
	}
	defer e.waiting.Release(1)
	if err := e.places.Acquire(ctx, 1); err != nil {
		return cache.Entry{}, context.Cause(ctx)
	}
	leave := sync.OnceFunc(func() { e.places.Release(1) })
	defer leave()
	// Files on which the origin hangs must not keep others from being asked for.
	defer time.AfterFunc(placePatience, leave).Stop()
	// What waits for room may hold the store's commits up.
	if err := e.store.Room(); err != nil {
		if entry, found := e.store.Lookup(parent, name); found == nil && entry.Here() {
			return entry, nil
		}
		return cache.Entry{}, err
	}
	shown := false
	for {
		entry, err := e.fetchAndLook(ctx, parent, name, func(entry cache.Entry) {
			deadline.Stop()
			shown = true
			show(entry)
		})
		if !errors.Is(err, errRemoved) || shown || ctx.Err() != nil {
			return entry, err
		}
	}
}

// errRemoved says that a file that was here, or came, has been removed from the store before it was looked up. It
// says nothing of the origin.
var errRemoved = errors.New("removed before it was looked up")

// fetchAndLook fetches a file where it is not here, and returns its entry.
func (e *Engine) fetchAndLook(ctx context.Context, parent cache.Inode, name string, show func(cache.Entry)) (_ cache.Entry, err error) {
	page, err := e.store.Ask(parent, name)
	if err != nil {
		return cache.Entry{}, err
	}
	defer func() { err = errors.Join(err, page.Close()) }()
	if page.Open(0) {
		if err := errors.Join(e.tooLarge(page, 0), e.store.RoomFor(page.Size(0))); err != nil {
			return cache.Entry{}, err
		}
		if err := e.fetchAsked(ctx, page, demandKey(parent, name), show); err != nil {
			return cache.Entry{}, err
		}
	}
	entry, err := e.store.Lookup(parent, name)
	if errors.Is(err, cache.ErrNotFound) {
		return cache.Entry{}, fmt.Errorf("%q of directory %d: %w", name, parent, errRemoved)
	}
	if err == nil && entry.State == cache.Gone {
		if e.opts.Events.Gone != nil {
			e.opts.Events.Gone(parent, name)
		}
		return cache.Entry{}, fmt.Errorf("%w: gone at the origin", cache.ErrNotFound)
	}
	return entry, err
}

// tooLarge is the error for a file that is not asked for, as the listing says that it is
// over Options.MaxFile.
func (e *Engine) tooLarge(page *cache.Page, k int) error {
	if size := page.Size(k); e.opts.MaxFile > 0 && size > e.opts.MaxFile {
		return fmt.Errorf("%w: file of %d bytes, the limit is %d", ErrTooLarge, size, e.opts.MaxFile)
	}
	return nil
}

// fetchAsked fetches the one file of a page from Ask and commits it, unless it
// is a name that neither the listing nor the origin knows.
func (e *Engine) fetchAsked(ctx context.Context, page *cache.Page, key string, show func(cache.Entry)) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	d := demanded{e: e, ctx: ctx, page: page, key: key, show: show, tries: demandTries}
	return d.land(e.guard(func() error { return d.commit(d.fetchSure()) }))
}

// demandTries is how often a reader's file is asked for before its reader gets
// an error; opening it again tries again.
const demandTries = 3

// demanded fetches one file and says what came of it instead of recording it.
type demanded struct {
	e        *Engine
	ctx      context.Context
	page     *cache.Page
	key      string // see demandKey
	show     func(cache.Entry)
	arr      *arrival // once it is shown
	tries    int      // see Engine.retry
	unlisted bool     // its name came into the store to be shown
}

// fetchSure fetches the file. One that was listed is believed to be gone only if
// the origin says so twice, and meanwhile gives what it gave before: a balancer
// that has lost its servers says the same of every file.
func (d *demanded) fetchSure() error {
	err := d.fetch()
	if !errors.Is(err, ErrGone) || !d.page.Listed() {
		return err
	}
	switch known, unwell := d.e.well(d.ctx); {
	case !known:
		return fmt.Errorf("%w: not at the origin: %w", cache.ErrNotFound, err)
	case unwell != nil:
		//nolint:errorlint // it says nothing of this file, and may say 404
		return fmt.Errorf("%w: %v", ErrOutage, unwell)
	}
	return d.fetch()
}

// fetch asks for the file until it has come or has been asked for too often.
func (d *demanded) fetch() error {
	return d.e.retry(d.ctx, &d.tries, func() (progress bool, err error) {
		before := d.came()
		err = d.attempt()
		return d.came() > before, err
	})
}

// came is how many bytes of a file that is shown have come.
func (d *demanded) came() int64 {
	if d.arr == nil {
		return 0
	}
	return d.arr.got()
}

// commit commits what came of a fetch that ended with err.
func (d *demanded) commit(err error) error {
	switch {
	case errors.Is(err, errSettled), err == nil:
		d.e.health.good(d.page.Name(0))
	case errors.Is(err, cache.ErrNotFound):
		return err
	case errors.Is(err, ErrGone) && !d.page.Listed():
		return fmt.Errorf("%w: not at the origin: %w", cache.ErrNotFound, err)
	case errors.Is(err, ErrGone):
		if err := d.page.Gone(0); err != nil {
			return err
		}
	default:
		return err
	}
	return d.page.Commit()
}

func (d *demanded) attempt() (err error) {
	if d.arr != nil {
		if done, err := d.arr.resume(d.ctx); done {
			return d.handOver(err)
		}
	}
	fetchErr := d.e.opts.Fetcher.Fetch(d.ctx, []string{d.page.Name(0)}, Receiver{Receive: func(_ int, obj *Object, got error) {
		if err = got; err == nil {
			err = d.take(obj)
		}
	}})
	if fetchErr != nil {
		return fetchErr
	}
	return err
}

// take takes a content: by itself, or where that can be in the sight of readers.
func (d *demanded) take(obj *Object) (err error) {
	if d.arr != nil {
		return d.handOver(d.arr.again(obj))
	}
	if d.arr, err = d.arrive(obj); err != nil {
		return err
	}
	if d.arr == nil {
		in := intake{e: d.e, ctx: d.ctx, page: d.page}
		defer in.tell()
		return in.put(0, obj)
	}
	d.tries = arrivingTries
	d.show(d.arr.entry)
	return d.handOver(d.arr.fill(obj.Stream))
}

// handOver makes a content that has come whole the page's.
func (d *demanded) handOver(err error) error {
	if errors.Is(err, ErrChecksum) {
		d.tries = 1 // readers may have seen what is wrong, so nothing can be added to it
	}
	if err != nil {
		return err
	}
	d.arr.handed = true
	d.e.counts.came(1, d.arr.blob.Size())
	return asStore(d.page.PutBlob(0, d.arr.blob, d.arr.modTime, []byte(d.arr.etag)))
}
