//go:build !linux

package folder

import "errors"

// renameNew renames a file to a name that is free. Only Linux has that for all filesystems.
func (s *Store) renameNew(temp, name string) error { return errors.ErrUnsupported }
