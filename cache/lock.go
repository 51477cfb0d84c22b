package cache

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"slices"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	lockFile  = "LOCK"
	ownerFile = "OWNER"
)

// inspect says what stands in o.Dir, and touches nothing: the format of a store, or
// nil where one can be made, as it is empty or not there. So no store is ever laid
// among somebody's other files. The errors are ErrFormat, ErrOrigin, or the disk's.
func inspect(o *Options) (*format, error) {
	names, err := o.FS.List(o.Dir)
	if errors.Is(err, iofs.ErrNotExist) {
		if o.Origin == "" || o.ReadOnly {
			return nil, noStore(o.Dir)
		}
		return nil, nil
	}
	switch {
	case errors.Is(err, syscall.ENOTDIR):
		return nil, saying(ErrFormat, "store %s: it, or what is above it, is not a directory; give one to --store", o.Dir)
	case errors.Is(err, iofs.ErrPermission):
		return nil, saying(err, "store %s: permission denied; give a directory of your own to --store", o.Dir)
	case err != nil:
		return nil, fmt.Errorf("open store %s: %w", o.Dir, err)
	}
	if disk, ok := o.FS.(privateFS); ok {
		if err := disk.claim(o.Dir); err != nil {
			return nil, fmt.Errorf("open store %s: %w", o.Dir, err)
		}
	}
	f, err := readFormat(o.FS, o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", o.Dir, err)
	}
	if f == nil {
		others := slices.DeleteFunc(names, func(name string) bool { return ofNobody(o.FS, o.Dir, name) })
		switch {
		case o.Origin == "" || o.ReadOnly:
			return nil, saying(ErrFormat, "%s is not a store of motefs: it has no %s file", o.Dir, formatFile)
		case len(others) > 0:
			return nil, saying(ErrFormat, "%s is not a store, and not empty (it has no %s file, and %d other names); give an empty or a new directory to --store", o.Dir, formatFile, len(others))
		}
		return nil, nil
	}
	if o.Origin != "" && o.Origin != f.Origin {
		return nil, saying(ErrOrigin, "store %s holds the files of another origin, %s, and not of %s; give another --store", o.Dir, f.Origin, o.Origin)
	}
	if f.segments() != o.Segments && !o.ReadOnly && !o.repair {
		if o.Segments {
			return nil, saying(ErrFormat, "store %s has files of an origin, and not segments; give another --store", o.Dir)
		}
		return nil, saying(ErrFormat, "store %s has segments of a mirror, which only a mount of that mirror writes; give another --store", o.Dir)
	}
	return f, nil
}

// Inspect reports whether there is a store in dir, or could be one of the origin, and
// touches nothing. The errors are ErrFormat, ErrOrigin, or the disk's.
func Inspect(dir, origin string) (there bool, err error) {
	o := Options{Dir: dir, Origin: origin}
	o.EnsureDefaults()
	f, err := inspect(&o)
	return f != nil, err
}

// noStore says that a directory is not there.
func noStore(dir string) error { return saying(ErrFormat, "there is no store at %s", dir) }

// ofNobody reports whether a name may stand in a directory in which a store is
// made: what a crash leaves of making one, and what a new filesystem has.
func ofNobody(fs vfs.FS, dir, name string) bool {
	switch name {
	case "lost+found":
		return true
	case lockFile, formatFile + ".tmp":
		info, err := fs.Stat(fs.PathJoin(dir, name))
		return err == nil && info.Mode().IsRegular() && (name != lockFile || info.Size() == 0)
	}
	return false
}

// dirLock holds a store against other processes.
type dirLock struct {
	lock  io.Closer // nil: on a disk that nobody can write to
	fs    vfs.FS
	owner string // who holds it; empty before sign
}

// lockDir locks o.Dir. The error is ErrInUse where another process holds it, and
// then says which.
func lockDir(o *Options) (*dirLock, error) {
	if o.Beside {
		return &dirLock{fs: o.FS}, nil
	}
	lock, err := o.FS.Lock(o.FS.PathJoin(o.Dir, lockFile))
	if err != nil {
		if errors.Is(err, syscall.EROFS) {
			return &dirLock{fs: o.FS}, nil
		}
		if errors.Is(err, iofs.ErrPermission) || errors.Is(err, syscall.ELOOP) || unwritable(err) {
			return nil, fmt.Errorf("lock store %s: %w", o.Dir, err)
		}
		who := readSmall(o.FS, o.FS.PathJoin(o.Dir, ownerFile))
		if who == "" {
			who = "another process"
		}
		if !errors.Is(err, syscall.EAGAIN) { // what a lock that is held says
			who += " (" + err.Error() + ")"
		}
		return nil, saying(ErrInUse, "store %s is in use by %s; stop that first, or give another --store", o.Dir, who)
	}
	return &dirLock{lock: lock, fs: o.FS}, nil
}

// sign leaves word of who holds the store.
func (l *dirLock) sign(o *Options) error {
	holder := o.Holder
	if holder == "" {
		holder = fmt.Sprintf("process %d", os.Getpid())
	}
	l.owner = o.FS.PathJoin(o.Dir, ownerFile)
	err := writeSmall(o.FS, l.owner, holder)
	if unwritable(err) {
		// Half of it would say the wrong thing; without it nobody knows who it is.
		_ = o.FS.Remove(l.owner)
		return nil
	}
	return err
}

func (l *dirLock) Close() error {
	var err error
	if l.owner != "" {
		if err = l.fs.Remove(l.owner); errors.Is(err, iofs.ErrNotExist) || unwritable(err) {
			err = nil // it says who held the store last, and nobody asks
		}
	}
	if l.lock != nil {
		err = errors.Join(err, l.lock.Close())
	}
	return err
}

func writeSmall(fs vfs.FS, path, text string) error {
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(text))
	return errors.Join(err, f.Close())
}

func readSmall(fs vfs.FS, path string) string {
	f, err := fs.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return ""
	}
	return string(text)
}
