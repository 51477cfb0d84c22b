package status

import (
	"context"
	"errors"
	iofs "io/fs"
	"path/filepath"
)

// diskUsage is what a store takes of its disk, in bytes, as du counts it. It steps through
// its tables and its blob files, of which each holds a long file. What it may not look into is
// none of the store's, as lost+found, and counts nothing.
func diskUsage(ctx context.Context, dir string) (uint64, error) {
	var total uint64
	err := filepath.WalkDir(dir, func(path string, d iofs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			var info iofs.FileInfo
			if info, err = d.Info(); err == nil {
				total += onDisk(info)
			}
		}
		if errors.Is(err, iofs.ErrNotExist) {
			return nil // it went meanwhile, as tables do
		}
		if errors.Is(err, iofs.ErrPermission) && path != dir {
			return nil // of a directory, it is said once it was counted and could not be read
		}
		return err
	})
	return total, err
}
