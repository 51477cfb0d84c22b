// Package workdir gives a process a directory of its own for what it is working at, and
// removes what processes have left that were killed.
package workdir

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/motefs/motefs/mirror/filelock"
)

// Dir is a directory of one process.
type Dir struct {
	path string
	lock io.Closer
}

// prefix begins the names of such directories; nothing else below base is touched.
const prefix = "work-"

// lockName is the file that is locked for as long as the process lives.
const lockName = "LOCK"

// Make makes a directory below base, which is made where it is missing, and removes those
// whose processes are gone.
func Make(base string) (*Dir, error) {
	if err := os.MkdirAll(base, 0o700); err != nil {
		return nil, err
	}
	if err := sweep(base); err != nil {
		return nil, err
	}
	// It gets its name once it is locked, so that nobody takes it for one that was left.
	hidden, err := os.MkdirTemp(base, ".new-")
	if err != nil {
		return nil, err
	}
	lock, err := filelock.Lock(filepath.Join(hidden, lockName), true)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", hidden, err), os.RemoveAll(hidden))
	}
	d := &Dir{path: filepath.Join(base, prefix+strings.TrimPrefix(filepath.Base(hidden), ".new-")), lock: lock}
	if err := os.Rename(hidden, d.path); err != nil {
		return nil, errors.Join(err, lock.Close(), os.RemoveAll(hidden))
	}
	return d, nil
}

// Path is where it is.
func (d *Dir) Path() string { return d.path }

// Sub makes a directory in it.
func (d *Dir) Sub(name string) (string, error) {
	path := filepath.Join(d.path, name)
	return path, os.Mkdir(path, 0o700)
}

// Close removes the directory with all that is in it.
func (d *Dir) Close() error {
	return errors.Join(os.RemoveAll(d.path), d.lock.Close())
}

// sweep removes directories that nobody holds.
func sweep(base string) error {
	entries, err := os.ReadDir(base)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		path := filepath.Join(base, e.Name())
		lock, err := filelock.Lock(filepath.Join(path, lockName), false)
		switch {
		case errors.Is(err, filelock.ErrHeld) || errors.Is(err, iofs.ErrPermission):
			continue
		case errors.Is(err, iofs.ErrNotExist): // another has just removed it
			continue
		case err != nil:
			return fmt.Errorf("lock %s: %w", path, err)
		}
		if err := errors.Join(os.RemoveAll(path), lock.Close()); err != nil {
			return err
		}
	}
	return nil
}
