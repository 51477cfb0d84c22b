//go:build linux

package fs

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

const devFuse = "/dev/fuse"

// maxFsName bounds the name that a mount shows; the kernel takes a page.
const maxFsName = 1024

// canMount reports whether this process may mount without help.
func canMount() bool { return os.Geteuid() == 0 }

// mountDirect mounts dir without help and returns the connection's descriptor.
// go-fuse could do it (DirectMount), but leaves its descriptor open in every
// program that is started later: should this process be killed, such a program
// keeps the connection, and with it the mount, hanging instead of dead.
func mountDirect(dir string, o *fuse.MountOptions, exec bool) (int, error) {
	fd, err := unix.Open(devFuse, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, noDeviceError(err)
	}
	data := fmt.Sprintf("fd=%d,rootmode=%o,user_id=%d,group_id=%d,max_read=%d,default_permissions",
		fd, unix.S_IFDIR, os.Geteuid(), os.Getegid(), o.MaxWrite)
	if o.AllowOther {
		data += ",allow_other"
	}
	var flags uintptr = unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV
	if !exec {
		flags |= unix.MS_NOEXEC
	}
	if err := unix.Mount(o.FsName, dir, "fuse."+o.Name, flags, data); err != nil {
		unix.Close(fd)
		switch {
		case errors.Is(err, unix.ENODEV):
			return -1, noDeviceError(err)
		case errors.Is(err, unix.EPERM):
			return -1, fmt.Errorf("%w: mount %q: %w; a container needs --cap-add SYS_ADMIN", ErrNoFUSE, dir, err)
		}
		return -1, saying(ErrMountpoint, "%s cannot be mounted on: %v", dir, err)
	}
	return fd, nil
}

// CheckFUSE reports, before anything is made, what this process lacks for a mount on
// dir: the device, permission for it, fusermount3, or the right to let other users in, all
// of them ErrNoFUSE; or, as a user who is not root, the permission to write to dir,
// ErrMountpoint.
func CheckFUSE(dir string, allowOther bool) error {
	fd, err := unix.Open(devFuse, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return noDeviceError(err)
	}
	unix.Close(fd)
	if canMount() {
		return nil
	}
	if unix.Access(dir, unix.W_OK) != nil { // which fusermount3 asks for
		return saying(ErrMountpoint, "%s cannot be mounted on: it is not this user's to write to; give a directory of your own", dir)
	}
	if _, err := helperPath(); err != nil {
		return err
	}
	if allowOther && !allowsOther() {
		return fmt.Errorf("%w to other users here: %s", ErrNoFUSE, noAllowOther)
	}
	return nil
}

// noDeviceError is ErrNoFUSE where the device cannot be opened.
func noDeviceError(err error) error {
	return fmt.Errorf("%w: open %s: %w; %s", ErrNoFUSE, devFuse, err, noDevice(err))
}

// noDevice is what to do where the device cannot be opened.
func noDevice(err error) string {
	if errors.Is(err, os.ErrPermission) {
		return "have root give this user access to it (chmod 666 " + devFuse + ", as most systems have it), or mount as root; a container needs --device " + devFuse + " --cap-add SYS_ADMIN"
	}
	return "load the kernel's module (modprobe fuse), or give the container the device (--device " + devFuse + " --cap-add SYS_ADMIN)"
}

// cleanFsName makes name fit for the mount table: programs read that by lines.
// Commas and backslashes may stay, as go-fuse escapes them for fusermount3 and
// mount(2) takes them as they are.
func cleanFsName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, name)
	if len(name) > maxFsName {
		name = strings.ToValidUTF8(name[:maxFsName], "")
	}
	return name
}
