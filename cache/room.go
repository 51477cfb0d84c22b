package cache

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/rs/zerolog"
)

const (
	// DefaultReserve is what is kept free of the store's disk, in bytes. The
	// database needs some of it for a while when it puts tables together
	// (PERFORMANCE.md, "A full disk").
	DefaultReserve = 256 << 20
	// reserveInodes is how many inodes are kept free, where a disk counts them.
	reserveInodes = 1000
	// leastRoom is what is worth going on for, in bytes.
	leastRoom = 4 << 20
	// roomPause is how long to wait before a write is tried again.
	roomPause = time.Second
	// roomStep is how much of a long content is written between two looks at what
	// is free, in bytes.
	roomStep = 1 << 20
)

// NoRoomError says that the store's disk is full, or takes nothing for another
// reason that may pass. What is in the store can be read.
type NoRoomError struct {
	Dir string
	// Free and Reserve are bytes, or with Inodes numbers of files.
	Free, Reserve uint64
	Inodes        bool
	// Wanted is what was to be written, in bytes, 0 where nothing was.
	Wanted uint64
	// Err is what the disk answered to a write, nil where none was tried.
	Err error
}

func (e *NoRoomError) Error() string {
	switch {
	case e.Err != nil && e.Free == math.MaxUint64: // it does not say
		return fmt.Sprintf("the disk of %s takes nothing more: %v", e.Dir, e.Err)
	case e.Err != nil:
		return fmt.Sprintf("the disk of %s takes nothing more: %v (%d MiB are free)", e.Dir, e.Err, e.Free>>20)
	case e.Inodes:
		return fmt.Sprintf("the disk of %s has room for %d files, and %d are kept free", e.Dir, e.Free, e.Reserve)
	}
	message := fmt.Sprintf("the disk of %s has %d MiB free, and %d MiB are kept free", e.Dir, e.Free>>20, e.Reserve>>20)
	if e.Wanted > 0 {
		message += fmt.Sprintf("; there is no room for %d MiB", e.Wanted>>20)
	}
	return message
}

func (e *NoRoomError) Unwrap() error { return e.Err }

// NoRoom reports whether err is for want of room on the store's disk, and so may
// pass. It says nothing of what was to be written.
func NoRoom(err error) bool {
	_, ok := errors.AsType[*NoRoomError](err)
	return ok || unwritable(err)
}

// unwritable reports whether err says that a disk takes nothing now, and may be
// read all the same.
func unwritable(err error) bool {
	return slices.ContainsFunc(takesNothing, func(errno error) bool { return errors.Is(err, errno) })
}

// room watches what is free of the store's disk. Its zero value sees no end of it.
type room struct {
	dir     string
	reserve uint64
	free    func() (bytes, inodes uint64, err error)
	log     zerolog.Logger
	pause   time.Duration

	short   atomic.Bool  // there was too little when it was last looked at
	waiting atomic.Int64 // writes that the disk did not take
	last    struct {
		sync.Mutex
		err error // what it answered to one of them
	}
	gaveUp struct {
		sync.Once
		ch chan struct{}
	}
}

func (r *room) init(o *Options) {
	r.dir, r.log, r.gaveUp.ch = o.Dir, o.Log, make(chan struct{})
	if o.Reserve > 0 {
		r.reserve = uint64(o.Reserve)
	}
	r.free, r.pause = o.free, o.pause
	if r.free == nil {
		r.free = func() (uint64, uint64, error) { return freeOf(o.FS, o.Dir) }
	}
}

// freeOf is what a user may still take of a disk. inodes is 0 where the disk does
// not count them.
func freeOf(fs vfs.FS, dir string) (bytes, inodes uint64, err error) {
	if _, ok := fs.(privateFS); !ok {
		usage, err := fs.GetDiskUsage(dir)
		return usage.AvailBytes, 0, err
	}
	return freeOnDisk(dir)
}

// check returns a *NoRoomError where too little is free. Once it does, it goes on
// until an eighth more than the reserve is free, and leastRoom at least, so that what
// the database takes and gives back in passing does not show.
func (r *room) check() error {
	if r.free == nil {
		return nil
	}
	bytes, inodes, err := r.free()
	if err != nil { // the write itself will say what is wrong
		bytes, inodes = math.MaxUint64, 0
	}
	need := r.reserve
	if r.short.Load() {
		need += max(need/8, leastRoom)
	}
	e := &NoRoomError{Dir: r.dir, Free: bytes, Reserve: r.reserve}
	switch {
	case r.waiting.Load() > 0:
		r.last.Lock()
		e.Err = r.last.err
		r.last.Unlock()
	case bytes < need:
	case inodes > 0 && inodes < reserveInodes && r.reserve > 0:
		e.Free, e.Reserve, e.Inodes = inodes, reserveInodes, true
	default:
		if !r.isOver() && r.short.CompareAndSwap(true, false) {
			r.log.Info().Str("store", r.dir).Uint64("free_mib", bytes>>20).Msg("the store's disk has room again; going on")
		}
		return nil
	}
	if r.short.CompareAndSwap(false, true) {
		r.log.Warn().Err(e).Msg("nothing more is stored until there is room; what is here is served")
	}
	return e
}

// checkFor returns a *NoRoomError where a content of that many bytes would leave too
// little free. It changes nothing: others may have room.
func (r *room) checkFor(size uint64) error {
	if r.free == nil {
		return nil
	}
	bytes, _, err := r.free()
	if err != nil || bytes >= r.reserve && bytes-r.reserve >= size {
		return nil //nolint:nilerr // the write itself will say what is wrong
	}
	return &NoRoomError{Dir: r.dir, Free: bytes, Reserve: r.reserve, Wanted: size}
}

// refused is the error for a write that the disk did not take.
func (r *room) refused(err error) error {
	if !unwritable(err) {
		return err
	}
	bytes, _, _ := r.free() // it is only said
	return &NoRoomError{Dir: r.dir, Free: bytes, Reserve: r.reserve, Err: err}
}

// persist does op until the disk takes it, or the store gives up.
func (r *room) persist(op func() error) error {
	err := op()
	if !unwritable(err) {
		return err
	}
	r.waiting.Add(1)
	defer func() {
		r.waiting.Add(-1)
		_ = r.check() // says it
	}()
	for unwritable(err) {
		r.last.Lock()
		r.last.err = err
		r.last.Unlock()
		_ = r.check() // says it
		r.wait(r.pause)
		if err = op(); r.isOver() {
			break
		}
	}
	return err
}

func (r *room) isOver() bool {
	select {
	case <-r.gaveUp.ch:
		return true
	default:
		return false
	}
}

// giveUp has writes that wait fail.
func (r *room) giveUp() { r.gaveUp.Do(func() { close(r.gaveUp.ch) }) }

// wait lets a pause pass, unless the store gives up.
func (r *room) wait(pause time.Duration) {
	select {
	case <-r.gaveUp.ch:
	case <-time.After(pause):
	}
}

// patientFS is the database's disk. While that is full writes wait, and all that is
// read goes on: a database of which a write has failed would have to be opened again.
// Only tables put together of others fail, which gives back what they took.
type patientFS struct {
	vfs.FS
	s *Store
}

const (
	// compaction is Pebble's word for what it puts together.
	compaction = vfs.DiskWriteCategory("pebble-compaction")
	// compactionRest is how long it is not tried again after the disk was full.
	compactionRest = 30 * time.Second
)

func (p patientFS) persist(op func() error) error {
	if p.s.opened.Load() {
		return p.s.room.persist(op)
	}
	err := op()
	if unwritable(err) {
		p.s.failOpen(err)
	}
	return err
}

func (p patientFS) Create(name string, category vfs.DiskWriteCategory) (f vfs.File, err error) {
	if category == compaction {
		// Not for longer than that, also where the clock was set back since.
		p.s.room.wait(min(time.Until(time.Unix(0, p.s.rest.Load())), compactionRest))
	}
	if err := p.persist(func() error {
		f, err = p.create(name, category)
		return err
	}); err != nil {
		return nil, err
	}
	return &patientFile{File: f, fs: p, compaction: category == compaction}, nil
}

func (p patientFS) Rename(oldname, newname string) error {
	return p.persist(func() error { return p.FS.Rename(oldname, newname) })
}

func (p patientFS) Link(oldname, newname string) error {
	return p.persist(func() error { return p.FS.Link(oldname, newname) })
}

// OpenDir opens a folder to be synced.
func (p patientFS) OpenDir(name string) (vfs.File, error) {
	dir, err := p.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return patientDir{dir, p}, nil
}

// patientDir is a folder of the database. Where it cannot be synced the database
// panics, from any of its goroutines: so that is a Fatalf.
type patientDir struct {
	vfs.File
	fs patientFS
}

func (d patientDir) Sync() error {
	if err := d.fs.persist(d.File.Sync); err != nil {
		pebbleLog{d.fs.s}.Fatalf("sync the database's folder: %v", err)
	}
	return nil
}

// Unwrap is for vfs.Root.
func (p patientFS) Unwrap() vfs.FS { return p.FS }

type patientFile struct {
	vfs.File
	fs         patientFS
	compaction bool
}

func (f *patientFile) Write(b []byte) (n int, err error) {
	write := func() error {
		m, err := f.File.Write(b[n:])
		n += m
		return err
	}
	if !f.compaction {
		return n, f.fs.persist(write)
	}
	if err = write(); unwritable(err) {
		f.fs.s.rest.Store(time.Now().Add(compactionRest).UnixNano())
	}
	return n, err
}

// Sync, SyncData and SyncTo fail where the disk finds out only now that it is full:
// what was written may be gone then. The database writes it anew, after a pause.
func (f *patientFile) Sync() error     { return f.pause(f.File.Sync()) }
func (f *patientFile) SyncData() error { return f.pause(f.File.SyncData()) }

func (f *patientFile) SyncTo(length int64) (fullSync bool, err error) {
	fullSync, err = f.File.SyncTo(length)
	return fullSync, f.pause(err)
}

func (f *patientFile) pause(err error) error {
	if unwritable(err) && f.fs.s.opened.Load() {
		f.fs.s.room.wait(f.fs.s.room.pause)
	}
	return err
}
