//go:build linux

package fs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links are followed, as in Linux.
const maxLinks = 40

// CheckMountpoint reports, cheaply and before anything slow begins, why dir
// cannot be mounted on: it is missing, no directory, in use by another mount, or
// it overlaps the store (storeDir; empty: not checked). All of these wrap
// ErrMountpoint. What a killed motefs has left there ("Transport endpoint is not
// connected") is cleared away.
//
// An automounter's trap is accepted, and not touched: it is there to be mounted on,
// and whoever goes into it waits until that is done. So the mount has to be made by
// a process of the automounter's group, as its children are: the kernel lets no other
// pass meanwhile, not even mount(2) (Linux fs/autofs/root.c, autofs_d_manage).
//
// A directory that is not empty is accepted, as mount(8) does; see CheckEmpty.
func CheckMountpoint(dir, storeDir string) error {
	path, err := resolve(dir)
	if err != nil {
		return mountpointError(dir, err)
	}
	trap, err := checkFree(path)
	if err == nil && !trap {
		err = checkDirectory(dir, path)
	}
	if err != nil {
		return mountpointError(dir, err)
	}
	if err := checkOverlap(path, storeDir); err != nil {
		return mountpointError(dir, err)
	}
	return nil
}

func mountpointError(dir string, err error) error {
	if errors.Is(err, unix.ENOTCONN) {
		err = fmt.Errorf("%w: it is in a mount that nobody serves any more; unmount that first", err)
	}
	return saying(ErrMountpoint, "%s cannot be mounted on: %v", dir, err)
}

// CheckEmpty reports that dir, for which CheckMountpoint has nothing to say, holds
// files, which a mount would hide until it is unmounted. The error wraps ErrMountpoint.
func CheckEmpty(dir string) error {
	path, err := resolve(dir)
	if err != nil {
		return mountpointError(dir, err)
	}
	if at, err := mountAt(path); err != nil || at != nil && at.trap() {
		return err // to look into a trap is to spring it
	}
	d, err := os.Open(path) //nolint:gosec // the mountpoint that the user names
	if err != nil {
		return mountpointError(dir, err)
	}
	defer d.Close()
	switch _, err := d.Readdirnames(1); {
	case err == nil:
		return mountpointError(dir, errNotEmpty)
	case !errors.Is(err, io.EOF):
		return mountpointError(dir, err)
	}
	return nil
}

// errNotEmpty is a mountpoint with files in it.
var errNotEmpty = errors.New("it is not empty, and its files would be hidden")

// checkDirectory makes sure that path, which the user calls dir, is a directory.
func checkDirectory(dir, path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("it does not exist; make it with: mkdir -p %s", dir)
	case err != nil:
		return err
	case !info.IsDir():
		return errors.New("it is not a directory; give one")
	}
	return nil
}

// checkFree makes sure that nothing is mounted exactly on path but a trap.
func checkFree(path string) (trap bool, err error) {
	at, err := mountAt(path)
	if err != nil || at == nil {
		return false, err
	}
	if at.fsType == motefsType {
		if err := clearDead(path); err != nil {
			return false, err
		}
		if at, err = mountAt(path); err != nil || at == nil {
			return false, err
		}
	}
	switch {
	case at.trap():
		return true, nil
	case at.fsType == autofsType:
		return false, errors.New("an automounter makes mountpoints in it: mount on one of these")
	}
	return false, fmt.Errorf("already mounted: %s of type %s", at.source, at.fsType)
}

// clearDead detaches the mount on path if nobody serves it any more. Mounts of
// other programs are never passed to it.
func clearDead(path string) error {
	if !dead(path) {
		return nil
	}
	if err := detachLazily(path, !canMount()); err != nil {
		return fmt.Errorf("a motefs that was killed left its mount there, which this user cannot clear: %w", err)
	}
	return nil
}

// dead reports whether nobody serves the mount on path any more. It asks by
// statfs, because the kernel answers stat from its cache for as long as
// entryTimeout, dead or not.
func dead(path string) bool {
	var st unix.Statfs_t
	return errors.Is(unix.Statfs(path, &st), unix.ENOTCONN)
}

// checkOverlap refuses a mountpoint in the store, which the mount would write
// into the store's own files' place, and a store below the mountpoint, which the
// mount would hide.
func checkOverlap(path, storeDir string) error {
	if storeDir == "" {
		return nil
	}
	store, err := resolve(storeDir)
	if err != nil {
		return err
	}
	switch {
	case contains(store, path):
		return fmt.Errorf("it is inside the store %s; give a directory elsewhere", storeDir)
	case contains(path, store):
		return fmt.Errorf("the store %s is inside it, and would be hidden; give a directory elsewhere, or another --store", storeDir)
	}
	return nil
}

// contains reports whether path is dir or lies in it.
func contains(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// resolve makes path absolute and follows its symbolic links. What does not
// exist yet stays as it is. The last component is only asked whether it is a
// link, which is safe even where a dead mount is on it.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	for range maxLinks {
		parent, base := filepath.Split(path)
		parent = filepath.Clean(parent)
		if base == "" {
			return path, nil
		}
		real, err := filepath.EvalSymlinks(parent)
		if errors.Is(err, os.ErrNotExist) {
			real, err = resolve(parent)
		}
		if err != nil {
			return "", err
		}
		path = filepath.Join(real, base)
		target, err := os.Readlink(path)
		if err != nil {
			return path, nil
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(real, target)
		}
		path = filepath.Clean(target)
	}
	return "", fmt.Errorf("%s: too many symbolic links", path)
}
