package folder

import (
	iofs "io/fs"
	"path"
	"syscall"

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

// links is how many names a file has.
func links(info iofs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Nlink) //nolint:unconvert // it is another type on other machines
	}
	return 0
}
