package bucket

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// dial connects to the server or to a proxy.
func (s *Store) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeouts.Dial)
	defer cancel()
	c, err := s.o.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, idle: s.o.Timeouts.Idle + s.o.Timeouts.Response}, nil
}

// conn is a connection that ends where nothing comes or goes for a time, also while it
// waits for the next request.
type conn struct {
	net.Conn
	idle time.Duration
}

// alive gives the other side time again, for both ways: a server answers once it has all of
// a body.
func (c *conn) alive() error { return c.SetDeadline(time.Now().Add(c.idle)) }

func (c *conn) Read(p []byte) (int, error) {
	if err := c.alive(); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *conn) Write(p []byte) (n int, err error) {
	const piece = 64 << 10 // each may take so long
	for len(p) > 0 && err == nil {
		if err = c.alive(); err != nil {
			return n, err
		}
		var done int
		done, err = c.Conn.Write(p[:min(len(p), piece)])
		n, p = n+done, p[done:]
	}
	if err == nil {
		err = c.alive()
	}
	return n, err
}

// held is a response's body, which ends its context once it is closed.
type held struct {
	io.ReadCloser
	ctx     context.Context
	release func()
	once    sync.Once
}

func (h *held) Close() error {
	err := h.ReadCloser.Close()
	h.once.Do(h.release)
	return err
}
