//go:build !linux

package fs

import "fmt"

// StoreOf returns the directory of the store that another process mounted at path: nowhere
// but on Linux is there such a mount.
func StoreOf(path string) (string, error) {
	return "", fmt.Errorf("%w: nothing of motefs is mounted at %s, as it mounts on Linux alone", ErrMountpoint, path)
}
