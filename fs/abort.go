//go:build linux

package fs

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// connections is where Linux shows FUSE connections (fusectl, Linux
// Documentation/filesystems/fuse/fuse.rst, "Control filesystem").
const connections = "/sys/fs/fuse/connections"

// controlMagic is the type of that filesystem (FUSE_CTL_SUPER_MAGIC in fs/fuse/control.c).
const controlMagic = 0x65735543

// control aborts one FUSE connection, whoever still uses it. It is opened while that is there, and does
// nothing once it has ended, also where another has its number by then.
type control struct {
	file *os.File
	err  error // why it could not be opened
}

// openControl is of the connection of the mount that has the device dev, "major:minor"; the minor
// number is the connection's name.
func openControl(dev string) control {
	_, minor, ok := strings.Cut(dev, ":")
	if !ok {
		return control{err: fmt.Errorf("device %q", dev)}
	}
	f, err := os.OpenFile(filepath.Join(connections, minor, "abort"), os.O_WRONLY, 0) //nolint:gosec // the kernel's number of a device
	if errors.Is(err, iofs.ErrNotExist) && !controlled() {
		f, err = openPrivate(minor)
	}
	return control{f, err}
}

func (c control) abort() error {
	if c.err != nil {
		return c.err
	}
	_, err := c.file.WriteString("1")
	return err
}

func (c control) close() {
	if c.file != nil {
		c.file.Close()
	}
}

// controlled reports whether the control filesystem is mounted.
func controlled() bool {
	var at unix.Statfs_t
	return unix.Statfs(connections, &at) == nil && at.Type == controlMagic
}

// openPrivate opens the same file where the control filesystem is not mounted,
// as in many containers, through a mount that is in nobody's tree. Only root
// may.
func openPrivate(minor string) (*os.File, error) {
	context, err := unix.Fsopen("fusectl", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("fsopen", err)
	}
	defer unix.Close(context)
	if err := unix.FsconfigCreate(context); err != nil {
		return nil, os.NewSyscallError("fsconfig", err)
	}
	root, err := unix.Fsmount(context, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fsmount", err)
	}
	defer unix.Close(root)
	fd, err := unix.Openat(root, minor+"/abort", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("openat", err)
	}
	return os.NewFile(uintptr(fd), "abort"), nil
}
