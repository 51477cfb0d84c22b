//go:build linux

package fs

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// fuseConf is where fusermount3 is told what users may do.
const fuseConf = "/etc/fuse.conf"

// helperPath finds fusermount3, or fusermount of FUSE 2.
func helperPath() (string, error) {
	for _, name := range []string{"fusermount3", "/bin/fusermount3", "fusermount", "/bin/fusermount"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: there is no fusermount3, by which users mount: install it (package fuse3), or mount as root", ErrNoFUSE)
}

// mountByHelper has fusermount3 mount dir, and returns the connection's descriptor.
// go-fuse could do it, but lets the helper's own words come out on standard error and says
// no more than its status.
func mountByHelper(dir string, o *fuse.MountOptions) (int, error) {
	bin, err := helperPath()
	if err != nil {
		return -1, err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socketpair", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer ours.Close()
	cmd := exec.Command(bin, "-o", helperOptions(o), "--", dir) //nolint:gosec // no shell, and -- before the argument
	cmd.Env = []string{"_FUSE_COMMFD=3"}
	cmd.ExtraFiles = []*os.File{theirs}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err = cmd.Run()
	theirs.Close() // nothing comes any more than what has
	if err != nil {
		return -1, helperError(dir, strings.TrimSpace(said.String()), err)
	}
	fd, err := receiveDescriptor(pair[0])
	if err != nil {
		return -1, fmt.Errorf("mount %q: %w: no descriptor from %s: %w", dir, ErrNoFUSE, bin, err)
	}
	return fd, nil
}

// helperOptions are the options for fusermount3. Commas and backslashes in them are
// escaped.
func helperOptions(o *fuse.MountOptions) string {
	options := append([]string{}, o.Options...)
	if o.AllowOther {
		options = append(options, "allow_other")
	}
	options = append(options, "fsname="+o.FsName, "subtype="+o.Name, fmt.Sprintf("max_read=%d", o.MaxWrite))
	escape := strings.NewReplacer(`\`, `\\`, `,`, `\,`)
	for i := range options {
		options[i] = escape.Replace(options[i])
	}
	return strings.Join(options, ",")
}

// receiveDescriptor takes the one that was sent through a socket.
func receiveDescriptor(socket int) (int, error) {
	data, control := make([]byte, 4), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, data, control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("recvmsg", err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 {
		return -1, fmt.Errorf("%d control messages: %w", len(messages), unix.EPROTO)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, fmt.Errorf("%d descriptors: %w", len(fds), unix.EPROTO)
	}
	return fds[0], nil
}

// helperError makes one line of what fusermount3 says, which it does not translate.
func helperError(dir, said string, status error) error {
	if lines := strings.Split(said, "\n"); len(lines) > 1 {
		said = lines[len(lines)-1] // warnings come first
	}
	if _, text, ok := strings.Cut(said, ": "); ok { // its own name
		said = text
	}
	for _, c := range []struct {
		says, advice string
		kind         error
	}{
		{"user_allow_other", noAllowOther, ErrNoFUSE},
		{"no write access to mountpoint", "mount on a directory of your own", ErrMountpoint},
		{"not owned by user", "mount on a directory of your own", ErrMountpoint},
		{"is forbidden", "mount on a directory of a disk", ErrMountpoint},
		{"mount_max", "unmount some, or have root set mount_max in " + fuseConf, ErrNoFUSE},
		{"device", noDevice(nil), ErrNoFUSE},
		{"open " + devFuse, noDevice(nil), ErrNoFUSE},
		{"Operation not permitted", "fusermount3 has to be setuid root (chmod u+s), or, in a container, needs --cap-add SYS_ADMIN", ErrNoFUSE},
	} {
		if strings.Contains(said, c.says) {
			return saying(c.kind, "%s cannot be mounted on: %s; %s", dir, said, c.advice)
		}
	}
	if said == "" {
		said = "fusermount3: " + status.Error()
	}
	return saying(ErrMountpoint, "%s cannot be mounted on: %s", dir, said)
}

// noAllowOther is what to do where users may not give --allow-other.
const noAllowOther = "have root put the line user_allow_other into " + fuseConf + ", or leave out --allow-other"

// allowsOther reports whether users may let others in. A file that cannot be read is left
// to fusermount3.
func allowsOther() bool {
	text, err := os.ReadFile(fuseConf)
	if os.IsNotExist(err) {
		return false
	}
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(text)) {
		if strings.TrimSpace(line) == "user_allow_other" {
			return true
		}
	}
	return false
}
