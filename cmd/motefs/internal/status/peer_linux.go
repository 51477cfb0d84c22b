package status

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

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
