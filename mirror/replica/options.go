package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/objects"
)

// Options say what a replica is of. Objects and Store.Dir must be set; the zero value of
// every other field is its default.
type Options struct {
	// Objects is where the mirror stands. The replica does not close it.
	Objects objects.Store
	// Store says how the local store is opened. Its Origin is the replica's to set.
	Store cache.Options
	// Poll is how often the mirror is asked for what is new. Default 3 s; it grows up to
	// maxPoll while the object store is away.
	Poll time.Duration
	// Patience is for how long nothing may come of a download until its readers get an
	// error, and the next reader begins anew. One that takes longer, but comes, goes on
	// also where no reader waits any more. Default 20 s.
	Patience time.Duration
	// CacheSize bounds the contents and blobs in the local store, in bytes: those of the
	// segments that were not read for the longest time are taken back. Names are always kept, what
	// came in the last few seconds too, and one segment even where it alone is longer.
	// Default 0: no bound.
	CacheSize int64
	// PrefetchAll brings all contents in the background, as long as they fit into
	// CacheSize. Blobs are brought when they are read.
	PrefetchAll bool
	// Unlisted, where it is not nil, is asked for a name that no segment has while the
	// mirror grows. Its error is cache.ErrNotFound where there is none. Default: there is
	// none.
	Unlisted func(ctx context.Context, parent cache.Inode, name string) (cache.Entry, error)
	// Log takes what happens in the background. The zero value is silent.
	Log zerolog.Logger

	// quiet has nothing come in the background; tests set it.
	quiet bool
	// backoff is the wait before the second try of a download; tests set it.
	backoff time.Duration
}

const (
	// maxPoll bounds the wait between two polls.
	maxPoll = time.Minute
	// firstPoll is how long a replica that has a mirror here already waits for news
	// before it is ready.
	firstPoll = 500 * time.Millisecond

	// closePatience is how long a replica that is closed waits for room on the local disk.
	closePatience = 2 * time.Second

	// downloads is how many tables are downloaded at a time, and how many blobs beside;
	// backgroundDownloads is how many segments of files nobody waits for at most, and with
	// Options.PrefetchAll how many of contents beside.
	downloads           = 6
	backgroundDownloads = 2
	// dirDownloads is how many tables of directories are downloaded at a time, backgroundDirs of them at
	// most such that nobody waits for. Those over shortDirs bytes are ingested meanwhile, which takes a
	// buffer of at most 256 KiB for each; shorter ones wait for that in memory, arrivedBytes of them, and
	// all that wait are ingested together. A reader has at most mostDirs of them brought at a time.
	dirDownloads   = 32
	backgroundDirs = 16
	mostDirs       = 512
	shortDirs      = 16 << 10
	arrivedBytes   = mostDirs * shortDirs
	// yieldFor is for how long a download that nobody waits for lets those of readers go first.
	// Every yieldLook it is looked at whether it is one of them by now.
	yieldFor  = time.Second
	yieldLook = 10 * time.Millisecond
	// inFlight bounds the tables that are downloaded at a time, in bytes on the disk. One that is
	// longer by itself comes alone. A blob comes where the local store's disk has room for it.
	inFlight = 1 << 30
	// certainTries is how often a download is tried that does not fail as if it might pass.
	certainTries = 3
	// fruitlessTries is how often bytes come of a download and break off, or turn out wrong, no
	// later than before.
	fruitlessTries = 10
	// maxBackoff bounds the wait between two tries.
	maxBackoff = 5 * time.Second

	// tick is how exactly it is known when a segment was last read, and how often the local
	// store's bound is looked at. What came less than restTicks ago is not taken back.
	// Where blobs cannot be removed, that is tried again after dropTicks.
	tick      = 2 * time.Second
	restTicks = 3
	dropTicks = 30

	// logBurst is how many lines about what readers meet are logged each logPeriod.
	logBurst, logPeriod = 5, 10 * time.Second
)

// EnsureDefaults fills the fields that are unset.
func (o *Options) EnsureDefaults() {
	if o.Poll == 0 {
		o.Poll = 3 * time.Second
	}
	if o.Patience == 0 {
		o.Patience = 20 * time.Second
	}
	if o.backoff == 0 {
		o.backoff = 200 * time.Millisecond
	}
}

// Validate reports everything that is wrong with the options.
func (o *Options) Validate() error {
	var errs []error
	if o.Objects == nil {
		errs = append(errs, errors.New("a replica needs an object store"))
	}
	if o.Store.ReadOnly || o.Store.Beside {
		errs = append(errs, errors.New("a replica writes its local store"))
	}
	if o.Poll < 0 || o.Patience < 0 || o.CacheSize < 0 {
		errs = append(errs, fmt.Errorf("poll of %v, patience of %v, cache of %d bytes: give positive ones", o.Poll, o.Patience, o.CacheSize))
	}
	return errors.Join(errs...)
}
