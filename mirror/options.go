package mirror

import (
	"errors"
	"fmt"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/rs/zerolog"
)

// Options say what an engine mirrors. Store, Lister and Fetcher must be set; the
// zero value of every other field is its default.
type Options struct {
	// Store is nil for an engine of which only Walk, With, Counts, Share and Slow are
	// called.
	Store   *cache.Store
	Lister  Lister
	Fetcher Fetcher

	// Prefetch fetches every file; without it, Run only lists the names and a
	// file is fetched when Fetch asks for it.
	Prefetch bool
	// Connections is how many batches are fetched at the same time. Default
	// DefaultConnections.
	Connections int
	// Outage is how long the origin may give nothing good before Run gives up;
	// what was mirrored is kept, and another Run goes on from there. Default 2
	// minutes; negative: for ever.
	Outage time.Duration
	// MaxGone bounds the files that a Run believes to be gone at the origin. With
	// more of them it goes on asking for as long as Outage, and then gives up and
	// believes none. Default: a tenth of those listed, and at least 1,000.
	MaxGone GoneLimit
	// Grace is how long batches under way may go on after Run was cancelled.
	// Default 1 s; negative: not at all.
	Grace time.Duration
	// Backoff is the wait before the second try; it grows with each further
	// one, with jitter. Default 200 ms.
	Backoff time.Duration
	// MaxFile is the length in bytes above which a file is not asked for, where the
	// listing says its length: ErrTooLarge. The Fetcher has a limit of its own for others.
	// Default 0: no limit.
	MaxFile int64
	// LimitFiles bounds the files a second, each with the times that a Guarder asks for it
	// again, and LimitRate the bytes a second that a Run asks for, for users who share a
	// service. How long a file is, is expected to be as those before. Readers' files are not
	// slowed and do not count. Default 0: no limit.
	LimitFiles, LimitRate int64
	// Events is told what happens.
	Events Events
	// Log takes what goes wrong. The zero value is silent.
	Log zerolog.Logger
}

// GoneLimit is a number of files: Percent of those listed, and at least Files.
// The zero value is the default; Given says that none at all is meant where both
// are 0.
type GoneLimit struct {
	Percent float64
	Files   int64
	Given   bool
}

// of is how many of that many files may be gone.
func (l GoneLimit) of(files uint64) int64 {
	return max(l.Files, int64(l.Percent/100*float64(files)))
}

// Events is told what happens in an engine. Its functions are called from the
// engine's goroutines and must return soon; those that are nil are left out.
type Events struct {
	// Gone is told that a file is not what it was shown as: one that was listed
	// is not at the origin any more, or one of which readers saw the beginning
	// could not be fetched to its end. What is known of it has to be asked anew.
	Gone func(parent cache.Inode, name string)
}

const (
	// DefaultConnections is how many batches are fetched at the same time.
	DefaultConnections = 16
	// MaxConnections bounds Options.Connections.
	MaxConnections = 1024

	// batchSize is how many files a connection is given at a time at most; see share.
	// With the guards of its round it is what nginx answers on one connection.
	batchSize = 990
	// maxBackoff bounds the wait between two tries, but for what Retry-After
	// asks for.
	maxBackoff = 15 * time.Second
	// demandFetches bounds the files that are fetched for readers at the same
	// time; more wait for their turn.
	demandFetches = 64
	// placePatience is how long one of them counts among those; and demandWaits
	// bounds them all, with those that have been waiting for longer. Each holds
	// about 100 KiB.
	placePatience = 2 * time.Second
	demandWaits   = 512
	// demandDeadline is how long the engine goes on with a file that a reader
	// asked for.
	demandDeadline = 5 * time.Minute
)

// EnsureDefaults fills the fields that are unset.
func (o *Options) EnsureDefaults() {
	if o.Connections == 0 {
		o.Connections = DefaultConnections
	}
	if o.Outage == 0 {
		o.Outage = 2 * time.Minute
	}
	if o.MaxGone == (GoneLimit{}) {
		o.MaxGone = GoneLimit{Percent: 10, Files: 1000}
	}
	if o.Grace == 0 {
		o.Grace = time.Second
	}
	if o.Backoff == 0 {
		o.Backoff = 200 * time.Millisecond
	}
}

// Validate reports everything that is wrong with the options.
func (o *Options) Validate() error {
	var errs []error
	if o.Lister == nil || o.Fetcher == nil {
		errs = append(errs, errors.New("an engine needs a lister and a fetcher"))
	}
	if o.Connections < 1 || o.Connections > MaxConnections {
		errs = append(errs, fmt.Errorf("%d connections: give 1 to %d", o.Connections, MaxConnections))
	}
	if o.LimitFiles < 0 || o.LimitRate < 0 {
		errs = append(errs, fmt.Errorf("limits of %d files/s and %d bytes/s: give positive ones", o.LimitFiles, o.LimitRate))
	}
	if o.MaxGone.Percent < 0 || o.MaxGone.Files < 0 {
		errs = append(errs, fmt.Errorf("at most %v %% and %d files may be gone: give positive numbers", o.MaxGone.Percent, o.MaxGone.Files))
	}
	if o.MaxFile < 0 {
		errs = append(errs, fmt.Errorf("files of at most %d bytes: give a positive number", o.MaxFile))
	}
	if o.Backoff < 0 {
		errs = append(errs, fmt.Errorf("backoff %v is negative", o.Backoff))
	}
	return errors.Join(errs...)
}
