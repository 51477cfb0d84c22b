package wire

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	"github.com/motefs/motefs/mirror"
)

// maxIdle bounds the connections that are kept for later. With their buffers
// they hold about 100 KiB each.
const maxIdle = 128

// take returns an idle connection, or where there is none, or a fresh one is
// wanted, a new one.
func (c *Client) take(ca *call, fresh bool) (*conn, error) {
	for !fresh {
		cn := c.pop()
		if cn == nil {
			break
		}
		// The old deadlines would fail the check.
		if cn.surplus() || cn.nc.SetDeadline(time.Time{}) != nil || !quiet(cn.raw) {
			c.drop(cn)
			continue
		}
		cn.call, cn.pooled, cn.clock.deadline = ca, true, time.Time{}
		return cn, nil
	}
	cn, err := c.dial(ca.ctx)
	if err != nil {
		if cause := ca.err(); cause != nil {
			return nil, fmt.Errorf("connect to %s: %w", c.addr.dial, cause)
		}
		return nil, fmt.Errorf("%w: %w", mirror.ErrUnreachable, err)
	}
	cn.call = ca
	return cn, nil
}

// with runs f on a connection and then puts it back, if f returns nil, or drops
// it.
func (c *Client) with(cn *conn, f func() error) error {
	stop := context.AfterFunc(cn.call.ctx, cn.kill)
	err := errEnd // if f panics
	defer func() {
		// Where the call was cancelled the connection may yet be killed.
		if stop() && err == nil {
			c.put(cn)
		} else {
			c.drop(cn)
		}
	}()
	if err = cn.early(); err == nil {
		err = f()
	}
	return err
}

func (c *Client) dial(ctx context.Context) (*conn, error) {
	raw, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	if c.tls == nil {
		return c.newConn(raw, raw), nil
	}
	shaking, cancel := context.WithTimeout(ctx, c.o.Timeouts.Handshake)
	defer cancel()
	session := tls.Client(raw, c.tls)
	if err := session.HandshakeContext(shaking); err != nil {
		raw.Close()
		return nil, fmt.Errorf("tls to %s: %w", c.addr.dial, err)
	}
	return c.newConn(raw, session), nil
}

func (c *Client) pop() *conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expireLocked()
	n := len(c.mu.idle)
	if n == 0 {
		return nil
	}
	// The one used last: it is the least likely to be dead.
	cn := c.mu.idle[n-1]
	c.mu.idle = c.mu.idle[:n-1]
	return cn
}

// put keeps a connection on which nothing is owed, unless it is old.
func (c *Client) put(cn *conn) {
	cn.call = nil
	c.mu.Lock()
	if c.mu.closed || cn.old() || len(c.mu.idle) >= maxIdle || cn.br.Buffered() > 0 || cn.clock.failed != nil {
		c.mu.Unlock()
		c.drop(cn)
		return
	}
	now := time.Now()
	cn.idle.mono, cn.idle.wall = now, now.Round(0)
	c.mu.idle = append(c.mu.idle, cn)
	if c.mu.expiry == nil {
		c.mu.expiry = time.AfterFunc(c.o.Timeouts.Keep, c.expire)
	}
	c.mu.Unlock()
}

// idleFor is how long a connection has been idle, by the clock that says more. Go's
// monotonic one stands still while the machine sleeps, and a connection that slept is
// dead, and would cost Idle to be found so; the wall clock may be set back.
func (cn *conn) idleFor(now time.Time) time.Duration {
	return max(now.Sub(cn.idle.mono), now.Round(0).Sub(cn.idle.wall))
}

// drop closes a connection. Its sender must have ended.
func (c *Client) drop(cn *conn) {
	c.counts.open.Add(-1)
	cn.kill()
	cn.br.Reset(nil)
	c.buffs.Put(cn.buf)
}

func (c *Client) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.expiry = nil
	c.expireLocked()
	if !c.mu.closed && len(c.mu.idle) > 0 {
		c.mu.expiry = time.AfterFunc(max(0, c.o.Timeouts.Keep-c.mu.idle[0].idleFor(time.Now())), c.expire)
	}
}

// expireLocked closes what was idle for too long. Closing a socket does not
// wait, so it may be done under the lock.
func (c *Client) expireLocked() {
	now, n := time.Now(), 0
	for n < len(c.mu.idle) && c.mu.idle[n].idleFor(now) >= c.o.Timeouts.Keep {
		c.drop(c.mu.idle[n])
		n++
	}
	if n > 0 {
		c.mu.idle = append(c.mu.idle[:0], c.mu.idle[n:]...)
	}
}
