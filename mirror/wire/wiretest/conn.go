package wiretest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
)

// readBuffer holds the longest burst of requests that comes in one piece.
const readBuffer = 1 << 20

// Conn is a connection of a Server.
type Conn struct {
	net.Conn
	// Buf is what requests are read from.
	Buf *bufio.Reader
	// N counts the connections of the server from 0.
	N int
	// Range is the header of that name of the last request, empty without one.
	Range string

	s    *Server
	head []string // lines of the last request
}

// Server is whose connection this is.
func (c *Conn) Server() *Server { return c.s }

// Next reads a request and returns its target.
func (c *Conn) Next() (target string, ok bool) {
	c.head, c.Range = c.head[:0], ""
	for {
		line, err := c.Buf.ReadString('\n')
		if err != nil {
			return "", false
		}
		if line == "\r\n" {
			break
		}
		c.head = append(c.head, line)
	}
	c.Range = c.Field("Range")
	target = strings.Fields(c.head[0])[1]
	c.s.mu.Lock()
	c.s.mu.targets = append(c.s.mu.targets, target)
	c.s.mu.Unlock()
	return target, true
}

// Field is a header field of the last request, empty without one; several of one
// name are joined by bars.
func (c *Conn) Field(name string) (value string) {
	for _, line := range c.head {
		if v, ok := strings.CutPrefix(line, name+": "); ok {
			if value != "" {
				value += "|"
			}
			value += strings.TrimSuffix(v, "\r\n")
		}
	}
	return value
}

// Burst reads a request and all that came with it.
func (c *Conn) Burst() (targets []string, ok bool) {
	for {
		target, ok := c.Next()
		if !ok {
			return targets, len(targets) > 0
		}
		if targets = append(targets, target); c.Buf.Buffered() == 0 {
			return targets, true
		}
	}
}

// Say sends text.
func (c *Conn) Say(format string, args ...any) { fmt.Fprintf(c, format, args...) }

// File answers with a body.
func (c *Conn) File(body string) { io.WriteString(c, OK(body)) } //nolint:errcheck // the client's end is its own affair

// CloseGently closes after everything sent was taken, where Close with unread
// requests would reset the connection under its last responses.
func (c *Conn) CloseGently() {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite() //nolint:errcheck // it may be closed already
	}
	io.Copy(io.Discard, c.Buf) //nolint:errcheck // until the client is done
}

// OK is a response with a body.
func OK(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// NotModified is a response without a body.
func NotModified(etag string) string {
	return fmt.Sprintf("HTTP/1.1 304 Not Modified\r\nETag: %s\r\n\r\n", etag)
}

// Last is OK with the word that the connection ends.
func Last(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// Echo answers every request with its target.
func Echo(c *Conn) {
	for {
		target, ok := c.Next()
		if !ok {
			return
		}
		c.File(target)
	}
}

// Keepalive answers as Echo does, and closes a connection after k responses; warned
// says that the last one tells so.
func Keepalive(k int, warned bool) func(c *Conn) {
	return func(c *Conn) {
		for i := range k {
			target, ok := c.Next()
			if !ok {
				return
			}
			if warned && i == k-1 {
				c.Say("%s", Last(target))
			} else {
				c.File(target)
			}
		}
		c.CloseGently()
	}
}

// Bursts answers one request rightly, and several that come in one piece as the
// function does, which returns whether the connection goes on.
func Bursts(several func(c *Conn, targets []string) bool) func(c *Conn) {
	return func(c *Conn) {
		for {
			targets, ok := c.Burst()
			switch {
			case !ok:
				return
			case len(targets) == 1:
				c.File(targets[0])
			case !several(c, targets):
				return
			}
		}
	}
}
