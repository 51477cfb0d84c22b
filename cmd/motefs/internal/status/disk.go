package status

import (
	"context"
	"errors"
	iofs "io/fs"
	"path/filepath"
)

// diskUsage is what a store takes of its disk, in bytes, as du counts it. It steps through
// its tables and its blob files, of which each holds a long file.
func diskUsage(ctx context.Context, dir string) (uint64, error) {
	var total uint64
	err := filepath.WalkDir(dir, func(_ string, d iofs.DirEntry, err error) error {
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
		return err
	})
	return total, err
}
