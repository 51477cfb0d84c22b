//go:build darwin || freebsd

package status

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// private does nothing: the directory is its owner's alone.
func private(string, string, syscall.RawConn) error { return nil }

// peerOf is the user at the other end of a Unix socket.
func peerOf(conn syscall.Conn) (uid uint32, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	const local = 0 // SOL_LOCAL
	var cred *unix.Xucred
	control := raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptXucred(int(fd), local, unix.LOCAL_PEERCRED) })
	if err = errors.Join(control, err); err != nil {
		return 0, err
	}
	return cred.Uid, nil
}
