package wire

import (
	"net"
	"syscall"
)

// setLowat makes a read from a socket wait until that many bytes are there, or
// its end.
func setLowat(raw net.Conn, bytes int) bool {
	sc, ok := raw.(syscall.Conn)
	if !ok {
		return false
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	var set error
	err = rc.Control(func(fd uintptr) {
		set = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, bytes)
	})
	return err == nil && set == nil
}
