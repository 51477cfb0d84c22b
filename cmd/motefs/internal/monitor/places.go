package monitor

import (
	"net"
	"net/http"
	"slices"
	"sync"
)

// places is a listener of which at most maxClients connections are open at a time. Where it
// is full, who comes takes the place of who has had no request for longest: clients that only
// keep connections open must not hold up a probe. Where all have one, it waits.
type places struct {
	net.Listener
	mu struct {
		sync.Mutex
		closed bool
		open   int
		idle   []*client // without a request, the longest first
	}
	changed *sync.Cond // of mu
}

func newPlaces(l net.Listener) *places {
	p := &places{Listener: l}
	p.changed = sync.NewCond(&p.mu)
	return p
}

// client is a connection that has a place.
type client struct {
	net.Conn
	p    *places
	left bool // guarded by p.mu
}

// Accept waits for a connection, and then for a place.
func (p *places) Accept() (net.Conn, error) {
	conn, err := p.Listener.Accept()
	if err != nil {
		return nil, err
	}
	idlest, err := p.enter()
	if err != nil {
		_ = conn.Close() // nothing was written
		return nil, err
	}
	if idlest != nil {
		_ = idlest.Conn.Close() // nothing is owed to it
	}
	return &client{Conn: conn, p: p}, nil
}

// enter takes a place, and returns who has lost its own by that.
func (p *places) enter() (idlest *client, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.mu.closed && p.mu.open >= maxClients && len(p.mu.idle) == 0 {
		p.changed.Wait()
	}
	if p.mu.closed {
		return nil, net.ErrClosed
	}
	if p.mu.open >= maxClients {
		idlest = p.mu.idle[0]
		p.leave(idlest)
	}
	p.mu.open++
	return idlest, nil
}

// leave gives a place back. The caller holds p.mu.
func (p *places) leave(c *client) {
	if c.left {
		return
	}
	c.left = true
	p.mu.open--
	p.busy(c)
	p.changed.Signal()
}

// busy has c keep its place. The caller holds p.mu.
func (p *places) busy(c *client) {
	if i := slices.Index(p.mu.idle, c); i >= 0 {
		p.mu.idle = slices.Delete(p.mu.idle, i, i+1)
	}
}

// state is told by net/http what becomes of a connection.
func (p *places) state(conn net.Conn, s http.ConnState) {
	c, ok := conn.(*client)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy(c)
	if !c.left && (s == http.StateNew || s == http.StateIdle) {
		p.mu.idle = append(p.mu.idle, c)
		p.changed.Signal()
	}
}

// Close has nobody wait any more. Connections are closed by who accepted them.
func (p *places) Close() error {
	p.mu.Lock()
	p.mu.closed = true
	p.changed.Broadcast()
	p.mu.Unlock()
	return p.Listener.Close()
}

// Close closes the connection, and gives its place back.
func (c *client) Close() error {
	c.p.mu.Lock()
	c.p.leave(c)
	c.p.mu.Unlock()
	return c.Conn.Close()
}
