//go:build !linux

package folder

import (
	"errors"
	iofs "io/fs"
)

// renameNew renames a file to a name that is free. Only Linux has that for all filesystems.
func (s *Store) renameNew(temp, name string) error { return errors.ErrUnsupported }

// links is how many names a file has; 0: that is not known.
func links(iofs.FileInfo) uint64 { return 0 }
