// Package presence says which process serves a mount, so that whoever unmounts it can
// wait until that has ended.
//
// The process listens on a socket in Linux's abstract namespace (unix(7)) whose name
// has the mount's device, and never accepts anybody. Who wants to wait for its end
// connects, and reads until the kernel ends the connection together with the process. So
// nothing is left behind by a process that is killed, and none is asked to do anything.
//
// The namespace is that of the network: a process in a container is not found from outside.
package presence

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// prefix begins the names of the sockets. Behind it stand the device and the process, as
// a device is given to another mount while the process of the last is still ending.
const prefix = "@motefs/mount/"

// table is where the kernel lists sockets.
const table = "/proc/net/unix"

// Announce says that this process serves the mount on a device ("major:minor") for as
// long as it lives.
func Announce(device string) error {
	// A bare descriptor: nothing closes it but the end of the process.
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("presence: %w", err)
	}
	name := fmt.Sprintf("%s%s/%d", prefix, device, os.Getpid())
	if err = unix.Bind(fd, &unix.SockaddrUnix{Name: name}); err == nil {
		err = unix.Listen(fd, unix.SOMAXCONN)
	}
	if err != nil {
		unix.Close(fd)
		return fmt.Errorf("presence %s: %w", name, err)
	}
	return nil
}

// Process is a process that serves a mount.
type Process struct {
	PID  int
	conn net.Conn
}

// Find returns the processes that serve the mount on a device, whose user is known: one, or
// none where it cannot be told. They must be closed.
func Find(device string, uid uint32) ([]*Process, error) {
	sockets, err := os.ReadFile(table)
	if err != nil {
		return nil, fmt.Errorf("presence: %w", err)
	}
	var found []*Process
	seen := map[string]bool{}
	for line := range strings.Lines(string(sockets)) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		name := fields[len(fields)-1]
		if !strings.HasPrefix(name, prefix+device+"/") || seen[name] {
			continue
		}
		seen[name] = true
		if p := connect(name, uid); p != nil {
			found = append(found, p)
		}
	}
	return found, nil
}

// connect returns nil where the process has ended meanwhile, or is not of the user: the
// name can be anybody's.
func connect(name string, uid uint32) *Process {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		return nil
	}
	raw, err := conn.SyscallConn()
	var peer *unix.Ucred
	if err == nil {
		err = errors.Join(raw.Control(func(fd uintptr) {
			peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		}), err)
	}
	if err != nil || peer.Uid != uid {
		_ = conn.Close() // nothing was written
		return nil
	}
	return &Process{PID: int(peer.Pid), conn: conn}
}

// Wait returns when the process has ended, or with ctx and its error.
func (p *Process) Wait(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { p.conn.Close() })()
	var none [1]byte
	_, _ = p.conn.Read(none[:]) // any error is the end, and nothing is ever said
	return context.Cause(ctx)
}

// Close forgets the process.
func (p *Process) Close() { p.conn.Close() }
