//go:build !linux

package wire

import "net"

func setLowat(net.Conn, int) bool { return false }
