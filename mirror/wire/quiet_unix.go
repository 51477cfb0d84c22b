//go:build linux || darwin || freebsd

package wire

import (
	"net"
	"syscall"
)

// quiet reports whether an idle socket is open and has nothing to read. What
// it has would answer no request: the server's close, a 408 for having been
// idle, or the surplus of an answer before. Under TLS it may be a harmless
// record too, which then costs a new connection.
func quiet(raw net.Conn) bool {
	sc, ok := raw.(syscall.Conn)
	if !ok {
		return true
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	silent := false
	err = rc.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		silent = err == syscall.EAGAIN
		return true
	})
	return err == nil && silent
}
