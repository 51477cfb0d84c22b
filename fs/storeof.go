//go:build linux

package fs

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// storePatience is how long a mount may take to say where its store is.
const storePatience = 5 * time.Second

// StoreOf returns the directory of the store that another process mounted at path, or at a
// directory above it. Only who mounted and root are told. All errors wrap ErrMountpoint and
// say what is there instead.
func StoreOf(path string) (string, error) {
	at, err := mountOver(path)
	if err != nil {
		return "", err
	}
	buf := make([]byte, unix.PathMax)
	type answer struct {
		n   int
		err error
	}
	done := make(chan answer, 1)
	go func() { // a mount that hangs would keep who asks
		n, err := unix.Getxattr(at, xattrStore, buf)
		done <- answer{n, err}
	}()
	select {
	case a := <-done:
		switch {
		case errors.Is(a.err, unix.ENOTCONN):
			return "", fmt.Errorf("%w: the motefs that served %s has died; clear it with: motefs unmount %s", ErrMountpoint, at, at)
		case errors.Is(a.err, unix.ENODATA), errors.Is(a.err, unix.EACCES):
			return "", fmt.Errorf("%w: %s was mounted by another user, or by an earlier motefs; give the store with --store", ErrMountpoint, at)
		case a.err != nil:
			return "", fmt.Errorf("%w: %s does not say where its store is: %w", ErrMountpoint, at, a.err)
		}
		return string(buf[:a.n]), nil
	case <-time.After(storePatience):
		return "", fmt.Errorf("%w: %s does not answer; give the store with --store", ErrMountpoint, at)
	}
}

// mountOver is the mountpoint of motefs that is path or above it.
func mountOver(path string) (string, error) {
	real, err := resolve(path)
	if err != nil {
		return "", mountpointError(path, err)
	}
	for dir := real; ; dir = filepath.Dir(dir) {
		at, err := mountAt(dir)
		switch {
		case err != nil:
			return "", mountpointError(path, err)
		case at != nil && at.fsType == motefsType:
			return dir, nil
		case at != nil && dir == real:
			return "", fmt.Errorf("%w: what is mounted at %s is %s of type %s, and not of motefs", ErrMountpoint, dir, at.source, at.fsType)
		case at != nil || dir == filepath.Dir(dir):
			return "", fmt.Errorf("%w: nothing of motefs is mounted at %s", ErrMountpoint, real)
		}
	}
}
