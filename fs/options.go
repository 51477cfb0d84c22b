package fs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/rs/zerolog"

	"github.com/motefs/motefs/cache"
)

// Store is what a mount reads: it answers from the local store only and never
// waits for the network.
type Store interface {
	// Lookup returns the entry called name; cache.ErrNotFound if there is
	// none. A file that the origin no longer has is returned with its state
	// Gone.
	Lookup(parent cache.Inode, name string) (cache.Entry, error)
	// Get returns an entry by its number.
	Get(ino cache.Inode) (cache.Entry, error)
	// Where returns the directory and the name of an inode; cache.ErrNotFound if there
	// is none.
	Where(ino cache.Inode) (parent cache.Inode, name string, err error)
	// ReadAt reads the content of a file that is Here; that of others is
	// cache.ErrNotFound. At the end of the file
	// it is short, with a nil error; past it, 0.
	ReadAt(ino cache.Inode, p []byte, off int64) (int, error)
	// ReadDir hands out the entries of dir in inode order, from the first one
	// after the given inode (0: from the start), until fn returns false. fn
	// may call the Store.
	ReadDir(dir, after cache.Inode, fn func(cache.DirEntry) bool) error
	// ReadDirPlus is ReadDir with what Lookup returns for each name.
	ReadDirPlus(dir, after cache.Inode, fn func(cache.DirEntry, cache.Entry, error) bool) error
	// Usage is what the store holds, for statfs.
	Usage() cache.Usage
	// NameOf is the origin's name of a file by its number; of a directory, the
	// names of its files up to the slash. cache.ErrName where no name ends
	// there.
	NameOf(ino cache.Inode) (string, error)
	// ListingComplete reports whether every name of the origin is in the
	// store.
	ListingComplete() bool
	// Changes is a number that, once the listing is complete, is higher after each
	// change to the names of any directory than before it: whoever reads the
	// changed names is given the higher number afterwards. final says that none
	// will change any more.
	Changes() (n uint64, final bool)
}

// Contents is what a mount needs from the engine.
type Contents interface {
	Arrivals
	// Fetch brings one file into the store, now, and returns its entry; that of
	// a long file may be Arriving. One that was Promised has another number where it
	// turned out not to be as it was listed. It returns promptly when ctx ends, and an error that wraps
	// cache.ErrNotFound where the origin has no such file. Any number of calls
	// run at the same time; those for the same file are expected to share one
	// request.
	Fetch(ctx context.Context, parent cache.Inode, name string) (cache.Entry, error)
}

// Arrivals are the files of a Contents that are shown while they are being
// fetched, because they are long. Their entries are Arriving and do not change.
// What one inode is read as is one version: a file that cannot be brought to its
// end is taken back, and then readers get errors until a LOOKUP finds it anew,
// under a higher generation.
//
// The kernel may keep all it was told of such a file for as long as of any other,
// since it is as true when the file is whole. Where it is taken back, whoever
// does so calls Invalidate; should that be lost, the first READ that fails does
// the same. The next use then asks GETATTR, which is ESTALE, and that makes the
// kernel LOOKUP. By the generation it tells the file from the one that some
// program may still have open, which it makes fail without asking (Linux 5.15,
// fuse_stale_inode).
type Arrivals interface {
	// Arriving returns the entry of a file that is arriving, nil for any other.
	// The error says why one was taken back.
	Arriving(ino cache.Inode) (*cache.Entry, error)
	// Shown is called before a LOOKUP is answered with an inode. It returns its
	// entry if it is arriving, else nil, and how often it was taken back; the
	// errors end.
	Shown(ino cache.Inode) (arriving *cache.Entry, generation uint64)
	// ReadAt reads a file that is arriving, as Store.ReadAt does, and waits for
	// the bytes; ok is false for any other file. It returns promptly when ctx
	// ends, and context.DeadlineExceeded where for patience nothing came that
	// brings the bytes nearer.
	ReadAt(ctx context.Context, ino cache.Inode, p []byte, off int64, patience time.Duration) (n int, ok bool, err error)
}

// Owner is the user and group that everything in a mount belongs to.
type Owner struct{ UID, GID uint32 }

// Hooks are called as things happen; those that are nil are not. They run
// inside a request and must be quick.
type Hooks struct {
	// Miss is called after a LOOKUP, or a READ of a file that is not here, went to
	// Contents, with what it took and how it ended.
	Miss func(parent cache.Inode, name string, took time.Duration, err error)
	// Panic is called where a handler panicked, after it was logged. The
	// program that asked gets EIO.
	Panic func(value any, stack []byte)
}

// Options are what Open needs. Store, Contents and Mountpoint must be set; the
// zero value of everything else is the default.
type Options struct {
	// Mountpoint is the directory to mount on. See CheckMountpoint. It may
	// hold files, as with mount(8): they are hidden until the unmount.
	Mountpoint string
	// StoreDir is the store's directory, which must not overlap the
	// mountpoint. Empty: not checked.
	StoreDir string
	Store    Store
	Contents Contents
	// FsName is the first column of df and of /proc/mounts: the origin's URL.
	// Every user of the machine can read it, so it must not hold a password.
	// Default "motefs".
	FsName string
	// FilesURL is what the URLs of files begin with, as in http://host:port/path/get/,
	// for the attribute user.motefs.url; it must not hold a password. Default: no such
	// attribute.
	FilesURL string
	// AllowOther lets users other than the one who mounts see the files.
	AllowOther bool
	// Exec lets the files be run as programs, and gives them the permission for it
	// (0555). What an origin serves is not trusted so far unless somebody says so.
	// Set-user-ID bits and devices never count.
	Exec bool
	// Owner owns every file. Default: the user and group of this process.
	Owner *Owner
	// Umask are the permission bits that files (0444) and directories (0555)
	// do not have. Nobody has those for writing.
	Umask os.FileMode
	// DemandTimeout ends the wait of a program for a file that has to come
	// from the origin; it sees ETIMEDOUT. Default 60 s.
	DemandTimeout time.Duration
	// Lease is how long the kernel may believe what may still change: which names
	// a directory has once the listing is complete, that a name is missing, and
	// the length of a file that is arriving. It asks again afterwards, one request
	// for each of those in use. Once nothing can change any more, it may believe all
	// but missing names for 24 h. At most that; default 10 s.
	Lease time.Duration
	// NextChange, where it is set, says that files may be replaced and removed, and
	// until when certainly none is; a time that is past: now. The kernel then believes
	// names until then, but for no less than Lease. Default: files stay what they are.
	NextChange func() time.Time
	// Ready, where it is set, is called before names of dir are read that come after the
	// number after, and returns once the Store has some of them, or all where there are none.
	// It returns promptly when ctx ends. It is called again where the Store then answers
	// cache.ErrNotReady. Default: the Store has what there is.
	Ready func(ctx context.Context, dir, after cache.Inode) error
	// Log gets errors, at a bounded rate. Default: silent.
	Log *zerolog.Logger
	// Hooks observe.
	Hooks Hooks

	// helper mounts by fusermount3 also where this process could mount
	// itself. For tests, which run as root.
	helper bool
	// between, for tests, stands between the kernel and the handlers.
	between func(rawFileSystem) rawFileSystem
}

const (
	// fsType is the type of the filesystem: df and /proc/mounts show "fuse.motefs".
	fsType = "motefs"

	// entryTimeout is how long the kernel may believe what does not change while
	// the mount lives. What may change it believes for Options.Lease.
	entryTimeout = 24 * time.Hour

	// The permissions before the umask. The mount is read-only, and programs
	// that look at the bits, as editors do, should know.
	fileMode = 0o444
	execMode = 0o111 // added to it by Exec
	dirMode  = 0o555

	defaultDemandTimeout = 60 * time.Second
	defaultLease         = 10 * time.Second
)

// EnsureDefaults sets what is not set.
func (o *Options) EnsureDefaults() {
	if o.FsName == "" {
		o.FsName = fsType
	}
	if o.Owner == nil {
		o.Owner = &Owner{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	}
	if o.DemandTimeout == 0 {
		o.DemandTimeout = defaultDemandTimeout
	}
	if o.Lease == 0 {
		o.Lease = defaultLease
	}
	if o.Log == nil {
		nop := zerolog.Nop()
		o.Log = &nop
	}
}

// Validate reports everything that is wrong with the options.
func (o *Options) Validate() error {
	var errs []error
	if o.Mountpoint == "" {
		errs = append(errs, errors.New("no mountpoint"))
	}
	if o.Store == nil {
		errs = append(errs, errors.New("no store"))
	}
	if o.Contents == nil {
		errs = append(errs, errors.New("no contents"))
	}
	if o.DemandTimeout < 0 {
		errs = append(errs, errors.New("demand timeout is negative"))
	}
	if o.Lease < 0 || o.Lease > entryTimeout {
		errs = append(errs, fmt.Errorf("lease of %v: give one of at most %v", o.Lease, entryTimeout))
	}
	if o.Umask&^os.ModePerm != 0 {
		errs = append(errs, errors.New("umask has more than permission bits"))
	}
	return errors.Join(errs...)
}
