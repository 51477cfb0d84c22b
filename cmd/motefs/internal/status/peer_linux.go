package status

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// private, on Linux, has the name that a socket gets be its owner's alone from the beginning:
// the mode of the descriptor becomes that of the name.
func private(_, _ string, raw syscall.RawConn) (err error) {
	control := raw.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), socketMode) })
	return errors.Join(control, err)
}

// peerOf is the user at the other end of a Unix socket.
func peerOf(conn syscall.Conn) (uid uint32, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	control := raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(control, err); err != nil {
		return 0, err
	}
	return cred.Uid, nil
}
