package cache

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	lockFile  = "LOCK"
	ownerFile = "OWNER"
)

// checkDir makes sure that o.Dir is a store, is empty, or can be made, so that
// a store is never laid among somebody's other files.
func checkDir(o *Options) error {
	names, err := o.FS.List(o.Dir)
	if errors.Is(err, iofs.ErrNotExist) {
		if o.Origin == "" {
			return fmt.Errorf("%w: there is no store at %s", ErrFormat, o.Dir)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	for _, name := range names {
		if name == "db" || name == lockFile {
			return nil
		}
	}
	if len(names) > 0 || o.Origin == "" {
		return fmt.Errorf("%w: %s is not a store (it holds %d other names); give an empty or a new directory", ErrFormat, o.Dir, len(names))
	}
	return nil
}

// dirLock holds a store against other processes.
type dirLock struct {
	lock  io.Closer
	fs    vfs.FS
	owner string
}

// lockDir makes o.Dir where it is missing and locks it. The error is ErrInUse
// where another process holds it, and then says which.
func lockDir(o *Options) (*dirLock, error) {
	if err := o.FS.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make store directory: %w", err)
	}
	owner := o.FS.PathJoin(o.Dir, ownerFile)
	lock, err := o.FS.Lock(o.FS.PathJoin(o.Dir, lockFile))
	if err != nil {
		if errors.Is(err, iofs.ErrPermission) {
			return nil, fmt.Errorf("lock store %s: %w", o.Dir, err)
		}
		who := readSmall(o.FS, owner)
		if who == "" {
			who = "another process"
		}
		return nil, fmt.Errorf("%w: %s is held by %s (%w); stop it first, or give another --store", ErrInUse, o.Dir, who, err)
	}
	holder := o.Holder
	if holder == "" {
		holder = fmt.Sprintf("process %d", os.Getpid())
	}
	if err := writeSmall(o.FS, owner, holder); err != nil {
		return nil, errors.Join(fmt.Errorf("lock store %s: %w", o.Dir, err), lock.Close())
	}
	return &dirLock{lock: lock, fs: o.FS, owner: owner}, nil
}

func (l *dirLock) Close() error {
	return errors.Join(l.fs.Remove(l.owner), l.lock.Close())
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
