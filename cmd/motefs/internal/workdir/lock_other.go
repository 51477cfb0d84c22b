//go:build !unix || solaris || aix

package workdir

import (
	"errors"
	"io"
	iofs "io/fs"
	"os"
)

// tryLock makes the file. One that is there is taken to be held: here nothing tells whether its
// process lives.
func tryLock(path string, create int) (io.Closer, error) {
	if create == 0 {
		return nil, errHeld
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, iofs.ErrExist) {
		err = errHeld
	}
	return file, err
}
