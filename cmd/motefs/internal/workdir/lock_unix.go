//go:build unix && !solaris && !aix

package workdir

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// tryLock locks a file, which is made with os.O_CREATE, until it is closed or the process ends.
func tryLock(path string, create int) (io.Closer, error) {
	file, err := os.OpenFile(path, os.O_RDWR|create, 0o600) //nolint:gosec // a name of this package's, in a directory that the caller names
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = errHeld
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
