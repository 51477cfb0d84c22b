//go:build unix && !solaris && !aix && !noserver

package natsbus

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// lock locks a file, which is made, until it is closed or the process ends. Its error is errLocked
// where another process has it.
func lock(path string) (io.Closer, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // a name of this package's, in a directory that the caller names
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = errLocked
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
