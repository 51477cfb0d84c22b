package cluster

import (
	"errors"
	"fmt"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/segments"
	"github.com/rs/zerolog"
)

// Options say what a process mirrors, and where to. Those without a default must be set.
type Options struct {
	// Store is where the mirror is, one that tries again (objects.Retry), and Mirror what
	// segments.Open says of it.
	Store  objects.Store
	Mirror segments.Mirror
	// Bus ties it to the others; see NewLocal. Its user closes it.
	Bus Bus
	// Process is the name of this one among the others.
	Process string

	// Engine says how the origin is asked, with Lister and Fetcher, but without a Store. Its
	// Connections are shared by the slots.
	// LimitFiles and LimitRate are of all processes together. Its Outage is how long the
	// object store may be away too; see Run.
	Engine mirror.Options
	// InlineLimit is the longest content that stands in a table, in bytes; see
	// cache.Options.
	InlineLimit int
	// Reserve is how much of the local disk is kept free; see cache.Options.
	Reserve int64
	// Memory is how much memory the process may take, in bytes; see cache.Options.
	Memory int64
	// Dir is a directory of the local disk for what is being worked at. What is in it is removed.
	Dir string
	// Slots is how many segments are worked at at the same time, at most one for each connection.
	// Default 2: while one ends, in
	// which few files are left, another goes on.
	Slots int
	// SegmentNames is how many names a segment has. Default SegmentNames.
	SegmentNames int
	// Haste divides how long is waited for what the others do, for tests. The bus has
	// timeouts of its own. Default 1.
	Haste int

	// Log takes what goes wrong. The zero value is silent.
	Log zerolog.Logger
	// source takes the place of the engine in tests.
	source source
}

const (
	// SegmentNames is how many names a segment has.
	SegmentNames = 64 << 10
	// SegmentBytes is how many bytes its names take at most, or it has fewer.
	SegmentBytes = 32 << 20
	// SegmentContent is from how many bytes of files on, as far as the listing says them, a
	// segment is cut: they stand on the worker's disk until they are all there.
	SegmentContent = 4 << 30

	// defaultSlots is Options.Slots.
	defaultSlots = 2
	// maxSlots bounds Options.Slots.
	maxSlots = 64
	// maxHaste bounds Options.Haste.
	maxHaste = 20

	// waitingSegments are how many more segments may be here of which some files did not come,
	// and are asked for again after pauses, which takes most of a minute where they never come. Of a
	// listing with such a file in each segment that many are fetched in a minute. waitingBytes is
	// how many bytes they have on the disk.
	waitingSegments = 32
	waitingBytes    = 4 * SegmentContent

	// sealEvery is how often the leader looks for what is new.
	sealEvery = 5 * time.Second
	// fullEvery is how many manifests have one full one.
	fullEvery = 64
	// offerAhead is how many segments are offered at the same time, the first that are left but for those
	// that wait for files that did not come.
	offerAhead = 1024
	// offerEvery is when what is left and nobody reports to be at is offered again.
	offerEvery = time.Minute
	// nearEnd is with how few segments left each commit is looked for at once.
	nearEnd = 16
	// hungryAfter is how long the lister gathers names while workers have nothing to do.
	hungryAfter = 2 * time.Second
	// overtakeAfter is how long an item must have been worked at before another who has nothing to do
	// works at it too. Those may hang as well, so that it doubles with each of them, mostDoubled
	// times at most.
	overtakeAfter = 20 * time.Second
	mostDoubled   = 5
	// overtakeWaiting is the same of an item that waits for files that did not come, longer than it
	// usually does: they would not come to another either.
	overtakeWaiting = 2 * time.Minute
	// lookEvery is how often a process without the lease looks whether all is complete.
	lookEvery = 15 * time.Second
	// reportEvery is how often a process tells what it does.
	reportEvery = time.Second
	// reportTimeout is how long a report may take; the next one is as good.
	reportTimeout = 2 * time.Second
	// meetTime is how long a process that joins fetches nothing where there are limits: within
	// reportEvery each hears the report of each, and as much is left for its way.
	meetTime = 2 * reportEvery
	// mostPause bounds for how long a process asks for nothing because another says so; see also
	// mirror.Engine.Pause.
	mostPause = 10 * time.Minute
	// maxReportItems bounds the items in a report.
	maxReportItems = 64
	// handBackAfter is how long a process that waits for ever keeps the lease and items in an
	// outage, and joinAgain when it takes part again.
	handBackAfter = 2 * time.Minute
	joinAgain     = 10 * time.Second
	// bogusEvery is how often the log is told of items that name no segment.
	bogusEvery = time.Minute
	// sealAtOnce is how many segments are read at the same time to be sealed.
	sealAtOnce = 8
	// leaveTimeout is how long a process that ends waits for all that it hands back.
	leaveTimeout = 3 * time.Second
)

// OffHeap is how many bytes the stores of segments that are fetched take outside of Go's heap, which Go's memory
// limit does not count.
func OffHeap() int64 { return defaultSlots * cache.ScratchOffHeap() }

// EnsureDefaults fills the fields that are unset.
func (o *Options) EnsureDefaults() {
	if o.Slots == 0 {
		o.Slots = defaultSlots
	}
	if o.SegmentNames == 0 {
		o.SegmentNames = SegmentNames
	}
	if o.Haste == 0 {
		o.Haste = 1
	}
	o.Engine.EnsureDefaults()
	o.Slots = min(o.Slots, max(o.Engine.Connections, 1))
	if o.Process == "" {
		o.Process = segments.NewAttempt()
	}
}

// Validate reports everything that is wrong with the options.
func (o *Options) Validate() error {
	var errs []error
	if o.Store == nil || o.Bus == nil || o.Mirror.ID == "" {
		errs = append(errs, errors.New("a process needs an object store, the mirror there, and a bus"))
	}
	if o.Slots < 1 || o.Slots > maxSlots {
		errs = append(errs, fmt.Errorf("%d segments at the same time: give 1 to %d", o.Slots, maxSlots))
	}
	if o.SegmentNames < 1 || o.SegmentNames > 1<<20 {
		errs = append(errs, fmt.Errorf("segments of %d names: give 1 to %d", o.SegmentNames, 1<<20))
	}
	if o.Haste < 1 || o.Haste > maxHaste {
		errs = append(errs, fmt.Errorf("a haste of %d: give 1 to %d", o.Haste, maxHaste))
	}
	if o.source == nil && o.Dir == "" {
		errs = append(errs, errors.New("a process needs a directory of its own"))
	}
	return errors.Join(errs...)
}

// soon is how long a wait is with the haste of these options.
func (o *Options) soon(wait time.Duration) time.Duration { return wait / time.Duration(o.Haste) }
