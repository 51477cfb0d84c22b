package cache

import (
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// minOpenTables and minBlobFiles are kept open however few descriptors there
	// are. The first is Pebble's own least.
	minOpenTables, minBlobFiles = 64, 8
	// openTries and openPause are how often, and how far apart, a file is opened for
	// which there is no descriptor: half a minute, in which others are closed. Not for
	// ever, as those who wait have descriptors too.
	openTries, openPause = 1500, 20 * time.Millisecond
)

// openTables bounds the tables that are open.
func (o *Options) openTables() int {
	return min(max(o.Descriptors/4, minOpenTables), maxOpenTables)
}

// openBlobFiles bounds the blob files that are kept open.
func (o *Options) openBlobFiles() int {
	return min(max(o.Descriptors/16, minBlobFiles), blobFiles)
}

// untilOpen does op, which opens a file, again while there is no descriptor for it.
func (r *room) untilOpen(op func() error) error {
	err := op()
	for try := 1; transient(err) && try < openTries && !r.isOver(); try++ {
		r.wait(openPause)
		err = op()
	}
	return err
}

// Open opens a table for reading.
func (p patientFS) Open(name string, opts ...vfs.OpenOption) (f vfs.File, err error) {
	err = p.s.room.untilOpen(func() error {
		f, err = p.FS.Open(name, opts...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return p.s.bad.table(name, f), nil
}

// create makes a file that the database is to write. Without it nothing more could be
// written, so the descriptor is waited for until the store is closed.
func (p patientFS) create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := p.FS.Create(name, category)
	for transient(err) && p.s.opened.Load() && !p.s.room.isOver() {
		p.s.damage.Warn().Err(err).Msg("the store's database waits for a descriptor, or for memory")
		p.s.room.wait(openPause)
		f, err = p.FS.Create(name, category)
	}
	return f, err
}
