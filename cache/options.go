package cache

import (
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/rs/zerolog"
)

// Options say how a store is opened. The zero value of every field but Dir is
// its default.
type Options struct {
	// Dir is the store's directory; it is made where it is missing.
	Dir string
	// Origin identifies whose files the store holds. A new store takes it; an
	// existing one of another origin is refused with ErrOrigin. Empty: whatever
	// the store says, and a store that does not exist is refused.
	Origin string
	// InlineLimit is the longest content, in bytes, that is kept in a directory
	// entry; longer ones become blob files. Default DefaultInlineLimit.
	InlineLimit int
	// FlushEvery is how often committed files are made to survive a crash of
	// the process or the machine. Default 2 s; negative: only on Close.
	FlushEvery time.Duration
	// Reserve is how much of the store's disk is kept free, in bytes: see Room.
	// Default DefaultReserve; negative: none.
	Reserve int64
	// Descriptors is how many files the process may have open. The store keeps at most
	// a quarter as many tables open, and a sixteenth as many blob files. Default: the
	// process's limit (RLIMIT_NOFILE).
	Descriptors int
	// Memory is how much memory the process may take, in bytes: where that is little,
	// the store takes less for the blocks that it keeps, its memtables and what a page
	// gathers. Default 0: no limit.
	Memory int64
	// Holder says who holds the store, for the message that a second process
	// gets. Default: the process's number.
	Holder string
	// ReadOnly has the store be read alone: nothing in it is written or removed but
	// the lock. A store that does not exist is refused.
	ReadOnly bool
	// Beside has the store be read, as ReadOnly does, without its lock: whoever holds or
	// opens it is not in the way, and nothing at all is written. What is read is what
	// was flushed last. While another process writes, reading may end with an error that
	// says ErrCorrupt of tables that went meanwhile.
	Beside bool
	// KeepOld has contents that are replaced or removed be read under their old numbers
	// until the next refresh, by who has them open.
	KeepOld bool
	// Segments has a new store be one into which segments are brought, by IngestDirs and
	// so on. One that is opened to be written must be of that kind where it is set, and must not
	// where it is not.
	Segments bool
	// FS is where the store stands. Default: the machine's disk.
	FS vfs.FS
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Log takes what happens in the background. The zero value is silent.
	Log zerolog.Logger

	// repair has the store opened by Repair, which puts right what Open refuses.
	repair bool
	// tune changes the database's settings; OpenScratch sets it, and BenchmarkSettings.
	tune func(*pebble.Options)
	// free says what is free of the disk; tests set it.
	free func() (bytes, inodes uint64, err error)
	// pause is how long a write waits for room before it is tried again.
	pause time.Duration
}

// DefaultInlineLimit is the longest content kept in a directory entry, in bytes.
const DefaultInlineLimit = 64 << 10

// maxInlineLimit keeps one entry well below a memtable.
const maxInlineLimit = 1 << 20

// The store's memory, each part with its bound in bytes.
const (
	// memTableSize is the size of one sorted buffer of commits, with enough
	// Options.Memory; at most memTableStop of them wait for the disk before commits wait too.
	memTableSize = 32 << 20
	memTableStop = 2
	// blockCacheSize bounds the decompressed blocks that reads share, with enough
	// Options.Memory.
	blockCacheSize = 96 << 20
	// entryCacheSize bounds the entries that were looked up and are likely to
	// be read next.
	entryCacheSize = 8 << 20
	// runCacheSize bounds the runs of names kept for turning inode numbers
	// into names.
	runCacheSize = 4 << 20
	// blobFiles bounds the blob files kept open for reading; see openBlobFiles.
	blobFiles = 64
	// maxOpenTables bounds the store's table files that are open; see openTables.
	maxOpenTables = 512
)

// BatchLimit is how much content a page gathers before it is to be committed in
// part, in bytes, with enough Options.Memory.
const BatchLimit = 4 << 20

// EnsureDefaults fills the fields that are unset.
func (o *Options) EnsureDefaults() {
	if o.Beside {
		o.ReadOnly = true
	}
	if o.InlineLimit == 0 {
		o.InlineLimit = DefaultInlineLimit
	}
	if o.FlushEvery == 0 {
		o.FlushEvery = 2 * time.Second
	}
	if o.pause == 0 {
		o.pause = roomPause
	}
	if o.Reserve == 0 {
		o.Reserve = DefaultReserve
	}
	if o.Descriptors == 0 {
		o.Descriptors = DescriptorLimit()
	}
	if o.FS == nil {
		o.FS = privateFS{vfs.Default}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Validate reports everything that is wrong with the options.
func (o *Options) Validate() error {
	var errs []error
	if o.Dir == "" {
		errs = append(errs, errors.New("no store directory given"))
	}
	if o.InlineLimit < 0 || o.InlineLimit > maxInlineLimit {
		errs = append(errs, fmt.Errorf("inline limit %d is not between 0 and %d bytes", o.InlineLimit, maxInlineLimit))
	}
	return errors.Join(errs...)
}
