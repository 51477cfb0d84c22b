package folder

import (
	"crypto/rand"
	"errors"
	"io"
	iofs "io/fs"
	"os"
	"path"
	"time"
)

const (
	// unfinished is where files are before they are objects.
	unfinished = ".unfinished"
	// staleAfter is how old a file there is that nobody writes any more.
	staleAfter = 24 * time.Hour
	// sweepMost bounds how many are looked at: the next process goes on.
	sweepMost = 4096
)

// create makes a file that is no object yet.
func (s *Store) create() (f *os.File, temp string, err error) {
	temp = path.Join(unfinished, rand.Text())
	f, err = s.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if !errors.Is(err, iofs.ErrNotExist) {
		return f, temp, err
	}
	if err = s.root.Mkdir(unfinished, dirMode); err == nil || errors.Is(err, iofs.ErrExist) {
		f, err = s.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	}
	return f, temp, err
}

// sweepOnce sweeps before this process's first file. Who writes meanwhile does not wait for it.
func (s *Store) sweepOnce() error {
	if !s.first.TryLock() {
		return nil
	}
	defer s.first.Unlock()
	if s.swept {
		return nil
	}
	err := s.sweep()
	s.swept = err == nil
	return err
}

// sweep removes what nobody writes any more. It is as late as a file says that is made now.
func (s *Store) sweep() error {
	f, temp, err := s.create()
	if err != nil {
		return err
	}
	now, err := f.Stat()
	if err = errors.Join(err, f.Close(), s.root.Remove(temp)); err != nil {
		return err
	}
	dir, err := s.root.Open(unfinished)
	if err != nil {
		return err
	}
	defer dir.Close()
	for seen := 0; seen < sweepMost; {
		entries, err := dir.ReadDir(readAtOnce)
		seen += len(entries)
		for _, e := range entries {
			old, err := e.Info()
			if err != nil || now.ModTime().Sub(old.ModTime()) < staleAfter {
				continue // its owner has renamed it, or may yet
			}
			err = s.root.Remove(path.Join(unfinished, e.Name()))
			if err != nil && !errors.Is(err, iofs.ErrNotExist) && !errors.Is(err, iofs.ErrPermission) { // that of others is theirs to sweep
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
