//go:build linux

package fs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
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
		return -1, fmt.Errorf("open %s: %w: %w", devFuse, noDevice(err), err)
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
		if errors.Is(err, unix.ENODEV) {
			err = fmt.Errorf("%w: %w", noDevice(err), err)
		}
		return -1, fmt.Errorf("mount %q: %w", dir, err)
	}
	return fd, nil
}

// checkHelper says in one line what a mount without privileges lacks.
func checkHelper() error {
	if _, err := os.Stat(devFuse); err != nil {
		return fmt.Errorf("mount: %w: %w", noDevice(err), err)
	}
	_, err := helperPath()
	return err
}

// noDevice is ErrNoFUSE with what to do about a missing device.
func noDevice(err error) error {
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%w: no permission for %s", ErrNoFUSE, devFuse)
	}
	return fmt.Errorf("%w: no %s: load the kernel's module (modprobe fuse), or give the container the device (--device %s --cap-add SYS_ADMIN)",
		ErrNoFUSE, devFuse, devFuse)
}

// helperPath finds fusermount3, or fusermount of FUSE 2.
func helperPath() (string, error) {
	for _, name := range []string{"fusermount3", "/bin/fusermount3", "fusermount", "/bin/fusermount"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: no fusermount3: install it (package fuse3), or mount as root", ErrNoFUSE)
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
