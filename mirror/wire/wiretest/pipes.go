package wiretest

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"
)

// Pipes is a listener whose connections have no buffer at all: what one side
// writes waits until the other reads it, and comes in the pieces in which it was
// written.
type Pipes struct {
	net.Listener
	accept chan net.Conn
}

// ListenPipe returns such a listener.
func ListenPipe(tb testing.TB) *Pipes {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0") // for its address, and to close
	if err != nil {
		tb.Fatal(err)
	}
	p := &Pipes{ln, make(chan net.Conn)}
	go func() {
		ln.Accept() //nolint:errcheck // it only ever fails, when it is closed
		close(p.accept)
	}()
	return p
}

// Accept implements net.Listener.
func (p *Pipes) Accept() (net.Conn, error) {
	if nc, ok := <-p.accept; ok {
		return nc, nil
	}
	return nil, net.ErrClosed
}

// Dial is for the client's options.
func (p *Pipes) Dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	p.accept <- server
	return client, nil
}

// DialSettled gives a server that speaks first the time to do so.
func DialSettled(ctx context.Context, network, addr string) (net.Conn, error) {
	nc, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	nc.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) //nolint:errcheck // the next call fails too
	WaitReadable(nc)
	return nc, nc.SetReadDeadline(time.Time{})
}

// WaitReadable waits until a connection has something to read, if only its end,
// or its deadline is over.
func WaitReadable(nc net.Conn) {
	rc, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		return
	}
	rc.Read(func(fd uintptr) bool { //nolint:errcheck // it ends at the deadline
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return err != syscall.EAGAIN
	})
}
