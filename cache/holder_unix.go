//go:build unix

package cache

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"
)

// HolderOf reports whether a process holds the store in dir, and what it says of itself;
// empty where it says nothing. It takes nothing. It must not be called by a process that
// holds the store: that would lose its lock (fcntl(2), F_SETLK).
func HolderOf(dir string) (who string, held bool, err error) {
	path := filepath.Join(dir, lockFile)
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, iofs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	spec := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	if err := unix.FcntlFlock(uintptr(fd), unix.F_GETLK, &spec); err != nil {
		return "", false, fmt.Errorf("who holds %s: %w", path, err)
	}
	if spec.Type == unix.F_UNLCK {
		return "", false, nil
	}
	return readSmall(privateFS{vfs.Default}, filepath.Join(dir, ownerFile)), true, nil
}
