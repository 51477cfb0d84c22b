package cache

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// bloomBits is the size of the filters that spare a lookup the tables which do
// not hold its key, in bits for each key.
const bloomBits = 10

// databaseFormat is Pebble's format. Another one makes another formatVersion.
const databaseFormat = pebble.FormatTableFormatV6

const (
	// stopTables is how many tables may lie over each other before writes wait until
	// some are put together, stuckTables before nothing more is taken where damage is
	// in the way of that: waiting would not end.
	stopTables, stuckTables = 64, 48
	// damageRest is how long no tables are put together after damage was met by it:
	// the database would try the same again at once, which costs most of a core.
	damageRest = time.Minute
)

// blockSize is the length of a table's blocks before compression, in bytes.
const blockSize = 16 << 10

func (s *Store) pebbleOptions() *pebble.Options {
	var flushErr atomic.Pointer[error] // of the last flush; not all of them count
	o := &pebble.Options{
		FS:                          patientFS{s.opts.FS, s},
		ReadOnly:                    s.readOnly != nil,
		ErrorIfNotExists:            !s.format.Making && !s.opts.repair,
		FormatMajorVersion:          databaseFormat,
		Logger:                      pebbleLog{s},
		CacheSize:                   s.opts.blockCache(),
		MaxOpenFiles:                s.opts.openTables(),
		MemTableSize:                uint64(s.opts.memTable()),
		MemTableStopWritesThreshold: memTableStop,
		// A crash keeps a prefix of the commits, which is all that the
		// checkpoint needs; see WHY.md, "… no write-ahead log?".
		DisableWAL: true,
		// Measured (PERFORMANCE.md, "The store"): tables that pile up in L0 cost
		// a mirror least; those of a listing in order do not overlap, and a read
		// skips most of the others by their filters.
		L0CompactionThreshold:      20,
		L0StopWritesThreshold:      stopTables,
		LBaseMaxBytes:              256 << 20,
		CompactionConcurrencyRange: func() (int, int) { return 1, 2 },
		EventListener: &pebble.EventListener{
			FlushEnd:        func(info pebble.FlushInfo) { flushErr.Store(&info.Err) },
			WriteStallBegin: func(pebble.WriteStallBeginInfo) { s.database.stalls.begin(time.Now()) },
			WriteStallEnd:   func() { s.database.stalls.end(time.Now()) },
			// What cannot be flushed cannot be written. Tables that could not be put
			// together stay as they are, and can be read.
			BackgroundError: func(err error) {
				if flush := flushErr.Load(); flush != nil && *flush != nil && errors.Is(err, *flush) && (!unwritable(err) || s.room.isOver()) {
					s.fail(err)
					return
				}
				if unwritable(err) {
					return // the room says it
				}
				if pebble.IsCorruptionError(err) {
					s.unmerged.Store(true)
					s.rest.Store(time.Now().Add(damageRest).UnixNano())
				}
				s.damage.Warn().Err(err).Msg("the store's database could not do its work in the background; what it has is still served")
			},
			// Whoever met the damage gets the error; the default would end the
			// process, and with it the mount, for one bad block.
			DataCorruption: func(info pebble.DataCorruptionInfo) {
				s.damaged.Store(true)
				s.bad.note(info.Path, info.Details)
				s.damage.Error().Err(info.Details).Str("file", info.Path).
					Msg("the store is damaged: what stands there cannot be read, everything else is served; see motefs verify")
			},
		},
	}
	o.Experimental.SpanPolicyFunc = splitByLetter
	for i := range o.Levels {
		o.Levels[i].BlockSize = blockSize
		o.Levels[i].IndexBlockSize = 64 << 10
		if i < len(o.Levels)-1 {
			// The last level holds nearly every key, so that its filter would
			// be large and rarely say no.
			o.Levels[i].FilterPolicy = bloom.FilterPolicy(bloomBits)
		} else {
			o.Levels[i].FilterPolicy = pebble.NoFilterPolicy
		}
	}
	for i := range o.TargetFileSizes {
		o.TargetFileSizes[i] = min(int64(4<<20)<<i, 64<<20)
	}
	if s.opts.tune != nil {
		s.opts.tune(o)
	}
	return o
}

// readerOptions are those with which a table is read by itself.
func (s *Store) readerOptions() sstable.ReaderOptions {
	o := s.pebbleOptions()
	o.EnsureDefaults()
	return o.MakeReaderOptions()
}

// splitByLetter ends every table where the kind of key changes. A table of the
// last entries and the first runs would overlap all entries that come after, so
// that nothing could be moved to a lower level without being written again.
func splitByLetter(start []byte) (pebble.SpanPolicy, []byte, error) {
	if len(start) == 0 {
		return pebble.SpanPolicy{}, nil, nil
	}
	return pebble.SpanPolicy{}, []byte{start[0] + 1}, nil
}

func (s *Store) openDB() (*pebble.DB, error) {
	dir, o := s.opts.FS.PathJoin(s.opts.Dir, "db"), s.pebbleOptions()
	if !s.format.Making && !s.opts.repair {
		if err := checkDatabase(o.FS, dir, o); err != nil {
			return nil, err
		}
	}
	if o.ReadOnly {
		o.FS = lockless{o.FS}
	}
	db, err := s.openPebble(dir, o)
	s.opened.Store(err == nil)
	return db, err
}

// openPebble is pebble.Open with what it panics for on a bad disk made errors. Pebble
// has nobody to tell where it cannot go on but Fatalf, from any of its goroutines, and
// that must not return: such an Open is given up, and what hangs in it never writes
// again.
func (s *Store) openPebble(dir string, o *pebble.Options) (*pebble.DB, error) {
	type result struct {
		db  *pebble.DB
		err error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() { done <- r }()
		defer diskError(&r.err)
		r.db, r.err = pebble.Open(dir, o)
	}()
	select {
	case r := <-done:
		return r.db, r.err
	case err := <-s.openFailed:
		return nil, err
	}
}

// failOpen gives up an Open, and does not return.
func (s *Store) failOpen(err error) {
	select {
	case s.openFailed <- err:
	default:
	}
	select {}
}

// diskError, deferred, makes an error of what Pebble panics for on a bad disk.
func diskError(err *error) {
	r := recover()
	if r == nil {
		return
	}
	disk, ok := r.(error)
	if _, bug := r.(runtime.Error); bug || !ok {
		panic(r)
	}
	*err = disk
}

// lockless is a filesystem on which Pebble takes no lock, which would write: the
// store's own is held.
type lockless struct{ vfs.FS }

func (lockless) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

// Unwrap is for vfs.Root.
func (l lockless) Unwrap() vfs.FS { return l.FS }

// checkMarkers refuses a database that has lost a marker: Pebble would take it for
// a new one, and remove its tables. The markers are files without content, which some
// programs that copy folders leave out.
func checkMarkers(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if errors.Is(err, iofs.ErrNotExist) {
		return fmt.Errorf("%w: the folder db is missing", ErrCorrupt)
	}
	if err != nil {
		return err
	}
	manifest := ""
	found := map[string]bool{}
	for _, name := range names {
		switch kind, rest, _ := strings.Cut(name, "."); {
		case kind == "marker":
			kind, _, _ = strings.Cut(rest, ".")
			found[kind] = true
		case strings.HasPrefix(name, "MANIFEST-"):
			manifest = max(manifest, name) // numbers of six digits
		}
	}
	var lost []string
	if !found["manifest"] {
		if manifest == "" {
			return fmt.Errorf("%w: db has no MANIFEST file, which says what its tables are", ErrCorrupt)
		}
		lost = append(lost, fs.PathJoin(dir, "marker.manifest.000001."+manifest))
	}
	if !found["format-version"] {
		lost = append(lost, fs.PathJoin(dir, "marker.format-version.000001."+databaseFormat.String()))
	}
	if len(lost) > 0 {
		return lostMarkers(lost)
	}
	return nil
}

// lostMarkers are files that are to be made again.
type lostMarkers []string

func (l lostMarkers) Error() string {
	return fmt.Sprintf("%v: files without content are missing in db, which some programs that copy leave out; nothing else is lost. Make them again: touch %s", ErrCorrupt, strings.Join(l, " "))
}

func (l lostMarkers) Unwrap() error { return ErrCorrupt }

// fatalError is an error after which Pebble must not go on.
type fatalError struct {
	text  string
	cause error
}

func (e *fatalError) Error() string { return e.text }
func (e *fatalError) Unwrap() error { return e.cause }

// damageBurst is how many lines about damage, and the like, are logged each
// damagePeriod: one bad block may be met by every reader.
const damageBurst, damagePeriod = 5, time.Minute

// pebbleLog sends what Pebble says to our log. Its information lines, one for
// each flush and compaction, are debug lines here.
type pebbleLog struct{ s *Store }

func (l pebbleLog) Infof(format string, args ...any) {
	if e := l.s.opts.Log.Debug(); e.Enabled() {
		e.Msg(fmt.Sprintf(format, args...))
	}
}

func (l pebbleLog) Errorf(format string, args ...any) {
	l.s.opts.Log.Error().Msg(fmt.Sprintf(format, args...))
}

// Fatalf must not return; Pebble calls it when going on would lose data, say
// because its manifest cannot be written to a full disk. It ends an Open, and
// later leaves its goroutine where it is and breaks the store, so that the
// process can say so, unmount, and end.
func (l pebbleLog) Fatalf(format string, args ...any) {
	fatal := &fatalError{text: fmt.Sprintf(format, args...)}
	for _, arg := range args {
		if err, ok := arg.(error); ok {
			fatal.cause = err
		}
	}
	if !l.s.opened.Load() {
		l.s.failOpen(fatal)
	}
	l.s.fail(fatal)
	select {}
}
