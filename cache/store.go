package cache

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	iofs "io/fs"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/rs/zerolog"
)

// Store is an open store. Its methods may be called from any goroutine.
type Store struct {
	opts Options
	// batchLimit is Options.batchLimit's.
	batchLimit int
	db         *pebble.DB
	lock       *dirLock
	blobs      *blobStore
	format     *format
	// readOnly is why nothing is written, nil where it may be; see ErrReadOnly.
	readOnly error

	entries *entryCache
	runs    *runCache

	room     room
	database databaseState
	// damage logs what may come often.
	damage zerolog.Logger
	// rest is until when no tables are put together, in nanoseconds since 1970.
	rest atomic.Int64
	// damaged: damage was met; unmerged: by putting tables together; stuck: they are
	// so many that soon nothing more could be written.
	damaged, unmerged, stuck atomic.Bool
	bad                      badBlocks

	// commit serialises what changes entries together with the counts that
	// describe them. It is held over an Apply, which is memory, unless the
	// disk lags memTableStop memtables behind. It is taken before any other
	// lock of the store.
	commit struct {
		sync.Mutex
		progress Progress
		// updates counts the commits that changed existing entries.
		updates uint64
		// careful is how many names are still to be listed that may be here
		// already; see maybeHereLocked.
		careful uint64
		// held are numbers that were given to what readers ask for, and of which
		// it is not settled what becomes of them. They come from between those
		// of the listing's pages, so the checkpoint waits for them: settled is
		// where it would be without. As many as readers' fetches at a time.
		held    map[Inode]struct{}
		settled Inode
		closed  bool
		buf     []byte
	}
	// promised: somebody was told of a file that is not here; see promise.
	promised  atomic.Bool
	numbers   numbers
	conflicts conflicts
	// progress is what commit.progress last was, for readers.
	progress atomic.Pointer[Progress]
	// held is how many commit.held are, for readers.
	held atomic.Int32
	// ingesting is held while tables are brought in, each of which has a number of ingests.
	// It is taken before commit.
	ingesting sync.Mutex
	ingests   atomic.Uint64
	// tap, where it is set, is told of each batch before it is applied; see Numbering.
	tap     func(*pebble.Batch) error
	scratch *scratch // nil unless the store is one
	// commits counts the commits; the first flushed of them survive a crash.
	commits, flushed atomic.Uint64

	broken struct {
		sync.Once
		err error
		ch  chan struct{}
	}
	opened, closing atomic.Bool
	openFailed      chan error // why an Open cannot go on
	stop            func()
	wg              sync.WaitGroup
}

// Open opens the store in o.Dir, or makes one there. It must be closed. One on a
// disk that is full or can only be read is opened to be read alone; see ReadOnly. The
// errors are ErrInUse, ErrOrigin, ErrFormat, ErrCorrupt, or the disk's.
func Open(o Options) (*Store, error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	f, err := inspect(&o)
	if err != nil {
		return nil, err
	}
	if f == nil && !o.ReadOnly {
		if err := makeDir(o.FS, o.Dir, privateDir); err != nil {
			return nil, fmt.Errorf("make store %s: %w; give another --store", o.Dir, err)
		}
	}
	lock, err := lockDir(&o)
	if err != nil {
		return nil, err
	}
	s, err := openLocked(o, lock)
	if err != nil {
		if _, ok := errors.AsType[lostMarkers](err); !ok && errors.Is(err, ErrCorrupt) {
			err = fmt.Errorf("%w; mend it with: motefs verify --store %s --repair", err, o.Dir)
		}
		return nil, errors.Join(err, lock.Close())
	}
	s.lock = lock
	return s, nil
}

// openLocked opens what stands in a directory that is locked; only now it stays
// what it is.
func openLocked(o Options, lock *dirLock) (*Store, error) {
	f, err := inspect(&o)
	if err != nil {
		return nil, err
	}
	if f == nil {
		f = newFormat(&o)
		if disk, ok := o.FS.(privateFS); ok {
			err = disk.own(o.Dir)
		}
		if err = errors.Join(err, f.write(o.FS, o.Dir)); err != nil {
			return nil, fmt.Errorf("make store %s: %w", o.Dir, err)
		}
	}
	if f.Repairing != "" {
		return nil, fmt.Errorf("%w: a repair of %s was cut off", ErrCorrupt, o.Dir)
	}
	if lock.lock != nil {
		if err := lock.sign(&o); err != nil {
			return nil, fmt.Errorf("lock store %s: %w", o.Dir, err)
		}
	}
	var readOnly error
	switch {
	case o.ReadOnly:
		readOnly = ErrReadOnly
	case lock.lock == nil:
		readOnly = fmt.Errorf("%w: %w", ErrReadOnly, syscall.EROFS)
	}
	if f.Version < formatVersion && readOnly == nil {
		f.Version = formatVersion
		if err := f.write(o.FS, o.Dir); unwritable(err) {
			readOnly = fmt.Errorf("%w: %w", ErrReadOnly, err)
		} else if err != nil {
			return nil, fmt.Errorf("open store %s: %w", o.Dir, err)
		}
	}
	s, err := openAs(o, f, readOnly)
	if unwritable(err) && readOnly == nil && !f.Making {
		full := err
		if s, err = openAs(o, f, fmt.Errorf("%w: %w", ErrReadOnly, full)); err != nil {
			err = errors.Join(full, err)
		}
	}
	return s, err
}

func openAs(o Options, f *format, readOnly error) (_ *Store, err error) {
	s := &Store{opts: o, batchLimit: o.batchLimit(), format: f, readOnly: readOnly, entries: newEntryCache(entryCacheSize), runs: newRunCache(runCacheSize)}
	s.commit.held = map[Inode]struct{}{}
	s.broken.ch, s.openFailed = make(chan struct{}), make(chan error, 1)
	s.stop = func() {}
	s.room.init(&o)
	s.damage = o.Log.Sample(&zerolog.BurstSampler{Burst: damageBurst, Period: damagePeriod})
	if s.db, err = s.openDB(); err != nil {
		// What is not the disk's says that its files do not fit together.
		if _, disk := errors.AsType[syscall.Errno](err); !disk || pebble.IsCorruptionError(err) || errors.Is(err, iofs.ErrNotExist) {
			err = fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		return nil, fmt.Errorf("open store %s: %w", o.Dir, err)
	}
	if s.blobs, err = openBlobs(&o, readOnly == nil, &s.room); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	if err = s.loadMeta(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.conflicts.init(s.progress.Load())
	if readOnly == nil {
		if err = clearIngest(&o); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	if readOnly == nil && !o.repair {
		// What is here after a start is on the disk, and nobody has it open.
		if err = s.sweep(context.Background()); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	s.startFlusher()
	return s, nil
}

// Room returns a *NoRoomError while less than Options.Reserve is free of the store's
// disk, or while that takes nothing, and ErrReadOnly where it never will: nothing
// more should be fetched then.
func (s *Store) Room() error {
	if s.readOnly != nil {
		return s.readOnly
	}
	return s.room.check()
}

// RoomFor returns a *NoRoomError where a content of size bytes would leave less free
// than Options.Reserve. With -1, not known, it never does.
func (s *Store) RoomFor(size int64) error {
	if size <= 0 {
		return nil
	}
	return s.room.checkFor(uint64(size))
}

// GiveUp has writes that wait for room fail, as the process is to end: the store is
// then Broken, and what was not flushed is lost as in a crash. Without such writes
// it changes nothing.
func (s *Store) GiveUp() { s.room.giveUp() }

// Close writes out what was committed and releases the store. It waits for the
// store's goroutines, unless the store is Broken: then it returns why, and what
// hangs is left to the end of the process. The second and later calls do nothing.
func (s *Store) Close() error {
	if s.closing.Swap(true) {
		return nil
	}
	done := make(chan error, 1)
	go func() { done <- s.close() }()
	// What waits for room has done so for long enough.
	defer time.AfterFunc(s.opts.pause, s.room.giveUp).Stop()
	select {
	case err := <-done:
		return err
	case <-s.broken.ch:
		return s.broken.err
	}
}

func (s *Store) close() error {
	s.commit.Lock()
	err := s.lowerLocked()
	s.commit.closed = true
	s.commit.Unlock()
	s.stop()
	s.database.close()
	s.wg.Wait()
	if s.scratch == nil { // else nothing of it is to stay
		err = errors.Join(err, s.Flush(context.Background()))
	} else {
		err = errors.Join(err, s.scratch.files.contents.Close())
	}
	err = errors.Join(err, s.db.Close(), s.blobs.Close())
	if s.lock != nil { // else Open has not come that far
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

// Origin is the identity that the store was made with.
func (s *Store) Origin() string { return s.format.Origin }

// ReadOnly is why nothing can be written to the store, nil where it can: it was
// opened so, or its disk is full or can only be read.
func (s *Store) ReadOnly() error { return s.readOnly }

// Dir is the store's directory.
func (s *Store) Dir() string { return s.opts.Dir }

// InlineLimit is the longest content that is kept in an entry, in bytes.
func (s *Store) InlineLimit() int { return s.opts.InlineLimit }

// Progress returns what the store holds now.
func (s *Store) Progress() Progress { return *s.progress.Load() }

// Damaged returns an ErrCorrupt that says what to do once damage was met since the
// store was opened, else nil. Whatever is not damaged can be read and written.
func (s *Store) Damaged() error {
	if !s.damaged.Load() {
		return nil
	}
	return fmt.Errorf("%w: some of it cannot be read; stop what uses it, and mend it with: motefs verify --store %s --repair", ErrCorrupt, s.opts.Dir)
}

// MetDamage notes err, if it is damage, for Damaged, and reports whether a mirror can
// go on around it.
func (s *Store) MetDamage(err error) bool {
	if !errors.Is(err, ErrCorrupt) {
		return false
	}
	s.damaged.Store(true)
	return !s.stuck.Load()
}

// ListingComplete reports whether every name that the origin lists is here.
func (s *Store) ListingComplete() bool { return s.progress.Load().ListingComplete }

// Changes counts the names that came or went otherwise than by the first listing:
// files that a reader asked for before they were listed, files that are gone, and what
// a refresh has changed. Once
// the listing is complete, no name of any directory changes but in a commit that
// raises it. final says that none will change any more while the store is open:
// every file is here or gone, and no reader waits for a file that is not listed.
func (s *Store) Changes() (n uint64, final bool) {
	p := s.progress.Load()
	if final = p.Complete() && s.held.Load() == 0; final {
		p = s.progress.Load() // with what was held a moment ago
	}
	return p.Asked + p.Gone + p.Changed, final
}

// Usage is how much a store holds.
type Usage struct {
	Files, Dirs uint64
	Here        uint64 // files whose content is here
	Bytes       uint64 // length of these contents
}

// Usage returns how much the store holds.
func (s *Store) Usage() Usage {
	p := s.progress.Load()
	return Usage{Files: p.Files - p.Gone, Dirs: p.Dirs, Here: p.Fetched, Bytes: p.Bytes}
}

// applyLocked commits batch together with the progress that it brings about.
func (s *Store) applyLocked(batch *pebble.Batch, next Progress) error {
	if s.commit.closed {
		return ErrClosed
	}
	if s.readOnly != nil {
		return fmt.Errorf("store %s: %w", s.opts.Dir, s.readOnly)
	}
	if err := s.BrokenErr(); err != nil {
		return err
	}
	if s.stuck.Load() {
		return s.Damaged()
	}
	s.commit.buf = next.append(s.commit.buf[:0])
	if err := batch.Set(metaProgress, s.commit.buf, nil); err != nil {
		return err
	}
	watermark, raise := s.numbers.watermark()
	if raise {
		if err := batch.Set(metaNumbers, binary.AppendUvarint(nil, watermark), nil); err != nil {
			return err
		}
	}
	if s.tap != nil {
		if err := s.tap(batch); err != nil {
			return err
		}
	}
	if err := s.db.Apply(batch, pebble.NoSync); err != nil {
		s.fail(err)
		return s.BrokenErr()
	}
	if raise {
		s.numbers.written.Store(watermark)
	}
	s.commit.progress = next
	s.progress.Store(&next)
	s.commits.Add(1)
	return nil
}
