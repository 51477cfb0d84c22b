//go:build linux

package fs

import (
	"context"
	"sync"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/rs/zerolog"

	"github.com/motefs/motefs/cache"
)

const (
	// listedTimeout is how long it may believe what the listing says of a file that is not
	// here. Nothing but a look at the file finds it to be another, and then its number has
	// no content: who reads it gets an error, and the kernel asks. So the lease, after which
	// ls -l of 100,000 of them took 13 times as long as of mirrored ones, would win little.
	listedTimeout = 10 * time.Minute

	// generation goes with every NodeID. Inode numbers are never used twice,
	// so it is only ever more for a file that was taken back; see Arrivals.
	generation = 1

	// maxName is the longest name that Linux programs can use (NAME_MAX).
	maxName = 255

	// blockSize is what programs are told to read at a time, and the unit of
	// statfs.
	blockSize = 4096
)

// fsys answers the kernel's requests. Handlers run at the same time, without
// bound; all that they share is in the Store, the Contents and the counters.
type fsys struct {
	// The embedded defaults answer ENOSYS; every operation that Linux can
	// send has an answer of its own in this package (TestEveryOperation).
	fuse.RawFileSystem

	store    Store
	contents Contents
	hooks    Hooks
	owner    fuse.Owner
	filesURL string
	// storeDir is the store's directory, empty where it is not known.
	storeDir string
	fileMode uint32
	dirMode  uint32
	// mounted is the time of a root that the store does not know.
	mounted        int64
	timeout, lease time.Duration
	nextChange     func() time.Time                                        // see Options.NextChange
	ready          func(ctx context.Context, dir, after cache.Inode) error // see Options.Ready
	// unchanged is what the store's Changes was at the time of the mount.
	unchanged uint64
	// noDirCache: this kernel must not keep directories.
	noDirCache bool

	// ctx ends when the mount is about to go: it ends the waits for the origin,
	// which would keep the mount busy.
	ctx context.Context
	// wg counts every goroutine of the mount.
	wg *sync.WaitGroup

	twice twice
	stats counters
	log   zerolog.Logger
	// sampled is log at a bounded rate, for what happens once a request.
	sampled zerolog.Logger
	// panics is the same for panics alone, so that a broken disk does not drown
	// their stacks.
	panics zerolog.Logger
	notes  chan note
}

// newFsys makes the handlers of a mount that lives as long as ctx.
func newFsys(ctx context.Context, o *Options, wg *sync.WaitGroup) *fsys {
	unchanged, _ := o.Store.Changes()
	mode := uint32(fileMode)
	if o.Exec {
		mode |= execMode
	}
	return &fsys{
		RawFileSystem: fuse.NewDefaultRawFileSystem(),
		store:         o.Store,
		contents:      o.Contents,
		hooks:         o.Hooks,
		owner:         fuse.Owner{Uid: o.Owner.UID, Gid: o.Owner.GID},
		filesURL:      o.FilesURL,
		storeDir:      o.StoreDir,
		fileMode:      fuse.S_IFREG | mode&^uint32(o.Umask),
		dirMode:       fuse.S_IFDIR | dirMode&^uint32(o.Umask),
		mounted:       time.Now().Unix(),
		timeout:       o.DemandTimeout,
		lease:         o.Lease,
		nextChange:    o.NextChange,
		ready:         o.Ready,
		unchanged:     unchanged,
		noDirCache:    dirCacheBroken(kernelRelease()),
		ctx:           ctx,
		wg:            wg,
		log:           *o.Log,
		sampled:       sampledLog(*o.Log),
		panics:        sampledLog(*o.Log),
		notes:         make(chan note, maxNotes),
	}
}

// String is the name that go-fuse uses for the filesystem.
func (f *fsys) String() string { return fsType }

// Forget has nothing to do: no inode is remembered here.
func (f *fsys) Forget(nodeID, nlookup uint64) {}

// known reports whether e can be handed to the kernel: only what has its final
// size. A pending file of which the listing does not say it would have size 0, and cp
// and cat believe that.
func known(e *cache.Entry) bool { return e.Kind == cache.Dir || readable(e) || e.Promised() }

// readable reports whether a file can be read, though maybe not all of it yet.
func readable(e *cache.Entry) bool { return e.Here() || e.Arriving }
