package mirror

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/motefs/motefs/cache"
	"golang.org/x/sync/semaphore"
)

const (
	// arrivingFiles bounds the files that readers are shown before they are
	// whole. It leaves half of demandFetches to others; one more long file is
	// fetched whole before anyone sees it.
	arrivingFiles = demandFetches / 2
	// maxReborn bounds the files that were shown and taken back in an engine's
	// life, which have to be remembered. Beyond it, long files are fetched
	// whole first.
	maxReborn = 4096
	// checkedFirst is the length up to which a file that can be checked is not shown
	// before, in bytes: it is soon whole, and can be asked for again if it is wrong.
	checkedFirst = 1 << 20
	// arrivingTries is how often in a row a file that readers were shown the
	// beginning of is asked for without a byte of it.
	arrivingTries = 8
)

// arrivals are the files that readers see while they are being fetched.
//
// What is read under one inode is one version. Where a file cannot be brought to
// its end, or not in the version that was shown, it is taken back: from then on
// whoever has it open gets an error, until a lookup finds it anew. That lookup's
// answer has a higher generation, by which the kernel tells the two apart.
type arrivals struct {
	files, ranges *semaphore.Weighted
	// known is the number of entries in mu's maps: mostly 0, and then a
	// reader of other files takes no lock.
	known atomic.Int32
	mu    struct {
		sync.Mutex
		byName  map[string]*arrival
		byInode map[cache.Inode]*arrival
		reborn  map[cache.Inode]*rebirth
	}
}

// rebirth is a file that was taken back.
type rebirth struct {
	times uint64
	cause error // nil once a lookup found it anew
}

func (t *arrivals) init() {
	t.files, t.ranges = semaphore.NewWeighted(arrivingFiles), semaphore.NewWeighted(allRanges)
	t.mu.byName = map[string]*arrival{}
	t.mu.byInode = map[cache.Inode]*arrival{}
	t.mu.reborn = map[cache.Inode]*rebirth{}
}

// demandKey names a file among those that readers ask for.
func demandKey(parent cache.Inode, name string) string {
	return strconv.FormatUint(uint64(parent), 36) + "/" + name
}

// named returns the arrival of that name, or nil.
func (t *arrivals) named(key string) *arrival {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.byName[key]
}

// of returns the arrival of an inode, which the caller releases, or nil. The
// error says why what was shown of it was taken back.
func (t *arrivals) of(ino cache.Inode) (*arrival, error) {
	if t.known.Load() == 0 {
		return nil, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.mu.reborn[ino]; r != nil && r.cause != nil {
		return nil, r.cause
	}
	a := t.mu.byInode[ino]
	if a != nil {
		a.refs.Add(1)
	}
	return a, nil
}

// room takes a place for one more file, false where there is none.
func (t *arrivals) room() bool {
	t.mu.Lock()
	full := len(t.mu.reborn) >= maxReborn
	t.mu.Unlock()
	return !full && t.files.TryAcquire(1)
}

func (t *arrivals) add(a *arrival) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.byName[a.key], t.mu.byInode[a.entry.Inode] = a, a
	t.countLocked()
}

// remove ends an arrival; with a cause, what was shown of it is taken back.
func (t *arrivals) remove(a *arrival, cause error) {
	ino := a.entry.Inode
	t.mu.Lock()
	delete(t.mu.byName, a.key)
	delete(t.mu.byInode, ino)
	if cause != nil {
		r := t.mu.reborn[ino]
		if r == nil {
			r = &rebirth{}
			t.mu.reborn[ino] = r
		}
		r.times++
		r.cause = cause
	}
	t.countLocked()
	t.mu.Unlock()
	t.files.Release(1)
}

func (t *arrivals) countLocked() { t.known.Store(int32(len(t.mu.byInode) + len(t.mu.reborn))) }

// Arriving returns the entry of a file that readers see while it is being
// fetched, nil if it is none of those. The error says why such a file was taken
// back; it lasts until a lookup finds the file anew (Shown).
func (e *Engine) Arriving(ino cache.Inode) (*cache.Entry, error) {
	a, err := e.arrivals.of(ino)
	if a == nil {
		return nil, err
	}
	defer a.release()
	return &a.entry, nil
}

// Shown is told that a lookup is about to be answered with that inode. It returns
// how often the inode was taken back, which the kernel has to be told, and the
// entry to answer with if it is one of Arriving, else nil.
func (e *Engine) Shown(ino cache.Inode) (arriving *cache.Entry, generation uint64) {
	t := &e.arrivals
	if t.known.Load() == 0 {
		return nil, 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.mu.reborn[ino]; r != nil {
		r.cause, generation = nil, r.times
	}
	if a := t.mu.byInode[ino]; a != nil {
		arriving = &a.entry
	}
	return arriving, generation
}

// ReadAt reads a file of Arriving into p from off on, as soon as those bytes have
// come; it is short only at the file's end. ok is false for any other file, which
// the store has. Where bytes are far from what has come they are asked for by
// themselves, if the origin allows. The errors are ctx's,
// context.DeadlineExceeded where for patience nothing came that brings the bytes
// nearer, why the file could not be fetched, or the store's.
func (e *Engine) ReadAt(ctx context.Context, ino cache.Inode, p []byte, off int64, patience time.Duration) (n int, ok bool, err error) {
	a, err := e.arrivals.of(ino)
	if a == nil {
		return 0, err != nil, err
	}
	defer a.release()
	n, err = a.readAt(ctx, p, off, patience)
	return n, true, err
}

// errSettled ends a fetch for a reader whose file somebody else has stored.
var errSettled = errors.New("stored meanwhile")

// arrive begins to show the file of which obj is the answer. It returns nil where
// that cannot be, and the file has to be whole first.
func (d *demanded) arrive(obj *Object) (a *arrival, err error) {
	t := &d.e.arrivals
	if obj.Stream == nil || obj.Size < 0 || obj.Check != nil && obj.Size <= checkedFirst || !t.room() {
		return nil, nil
	}
	defer func() {
		if a == nil {
			t.files.Release(1)
		}
	}()
	if !d.page.Listed() {
		// Its number is final, and its name in the store, only from now on.
		d.unlisted = true
		if err := d.page.Commit(); err != nil {
			return nil, storeError{err}
		}
	}
	if !d.page.Open(0) {
		return nil, errSettled
	}
	if parent, name := d.page.Where(0); demandKey(parent, name) != d.key {
		return nil, nil // it gives way to a directory of its name
	}
	entry, err := d.e.store.Lookup(d.page.Where(0))
	if err != nil {
		return nil, storeError{err}
	}
	if entry.Kind == cache.File && !entry.Keeps(obj.Size, obj.ModTime, obj.ETag) {
		// Readers were told of another: this one is shown under another number.
		d.page.Relist(0, obj.Size, obj.ModTime, obj.ETag)
		if err := d.page.Commit(); err != nil {
			return nil, storeError{err}
		}
		if entry, err = d.e.store.Lookup(d.page.Where(0)); err != nil {
			return nil, storeError{err}
		}
	}
	if entry.Kind != cache.File || entry.State != cache.Pending || !d.page.Open(0) {
		return nil, errSettled
	}
	if a, err = newArrival(d, entry, obj); err != nil {
		return nil, storeError{err}
	}
	t.add(a)
	return a, nil
}

// land ends the arrival, if there is one: err is why its file is not in the
// store, nil if it is.
func (d *demanded) land(err error) error {
	a := d.arr
	if err != nil && d.unlisted && d.page.Open(0) {
		// The name is in the store, and maybe in no page of the listing: only
		// a record of failure makes a later mirror come back to it.
		d.page.Fail(0, verdictOf(err), err)
		err = errors.Join(err, d.page.Commit())
	}
	if a == nil {
		return err
	}
	if err == nil {
		var stored cache.Entry
		stored, err = d.e.store.Lookup(d.page.Where(0))
		if err == nil && (!stored.HasContent(a.blob) || stored.Inode != a.entry.Inode) {
			err = ErrChanged // a mirror at the same time has got another version
		}
	}
	if !a.handed {
		err = errors.Join(err, a.blob.Abort())
	}
	d.e.arrivals.remove(a, err)
	a.end(err)
	a.release()
	if err != nil {
		d.e.opts.Log.Debug().Err(err).Msg("a file that readers saw arriving is taken back")
		if d.e.opts.Events.Gone != nil {
			d.e.opts.Events.Gone(d.page.Where(0))
		}
	}
	return err
}
