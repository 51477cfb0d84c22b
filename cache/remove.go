package cache

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"
)

// Remove removes the store in dir, and the directory if nothing else is in it; left are the
// names of what is, which stays. Where it is cut off, what is left still says that it is a
// store, and can be removed again. The errors are ErrInUse where a process holds the store,
// ErrFormat where there is none, or the disk's.
func Remove(dir string) (left []string, err error) {
	o := Options{Dir: dir}
	o.EnsureDefaults()
	f, err := inspect(&o)
	if err != nil {
		return nil, err
	}
	if f == nil {
		return nil, fmt.Errorf("%w: there is no store at %s", ErrFormat, dir)
	}
	lock, err := lockDir(&o)
	if err != nil {
		return nil, err
	}
	// The lock goes last, so that nobody opens what is half gone.
	for _, name := range []string{"db", "blobs", asideDir, "status.sock", ownerFile, formatFile + ".tmp", formatFile, lockFile} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return nil, errors.Join(fmt.Errorf("remove store: %w", err), lock.Close())
		}
	}
	if err := lock.Close(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if len(left) > 0 {
		return left, nil
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, iofs.ErrNotExist) {
		return nil, err
	}
	return nil, nil
}
