//go:build !unix || solaris || aix

package filelock

import (
	"errors"
	"io"
	"os"
)

// Lock makes the file, and removes it when it is closed. One that is there is taken to be held: here
// nothing tells whether its process lives.
func Lock(path string, create bool) (io.Closer, error) {
	if !create {
		return nil, ErrHeld
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, ErrHeld
	}
	if err != nil {
		return nil, err
	}
	return made{file}, nil
}

type made struct{ *os.File }

func (m made) Close() error {
	err := m.File.Close()
	if gone := os.Remove(m.Name()); !errors.Is(gone, os.ErrNotExist) { // with its directory
		err = errors.Join(err, gone)
	}
	return err
}
