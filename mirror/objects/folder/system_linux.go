package folder

import (
	"path"

	"golang.org/x/sys/unix"
)

// renameNew renames a file to a name that is free.
func (s *Store) renameNew(temp, name string) error {
	from, err := s.root.Open(path.Dir(temp))
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := s.root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer to.Close()
	return unix.Renameat2(int(from.Fd()), path.Base(temp), int(to.Fd()), path.Base(name), unix.RENAME_NOREPLACE)
}
