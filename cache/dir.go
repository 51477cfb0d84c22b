package cache

import (
	"errors"
	"fmt"
	iofs "io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// makeDir makes a directory, and those above it that are missing, so that a power cut
// does not take them away with what was synced in them.
func makeDir(fs vfs.FS, dir string, perm iofs.FileMode) error {
	if _, err := fs.Stat(dir); !errors.Is(err, iofs.ErrNotExist) {
		return err
	}
	parent := fs.PathDir(dir)
	if err := makeDir(fs, parent, perm); err != nil {
		return err
	}
	if err := fs.MkdirAll(dir, perm); err != nil {
		return err
	}
	return syncDir(fs, parent)
}

// syncDir makes the names in a directory survive a power cut.
func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err == nil {
		err = errors.Join(d.Sync(), d.Close())
	}
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}
