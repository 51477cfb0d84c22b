package between

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Counts is what a network has done.
type Counts struct {
	Conns, Fragments, Delays, Stalls                int64
	Responses, Duplicates, Drops, Late, Truncations int64
}

// Network is a network between a client and origins.
type Network struct {
	o      Options
	number atomic.Uint64 // of the next connection
	counts struct {
		conns, fragments, delays, stalls                atomic.Int64
		responses, duplicates, drops, late, truncations atomic.Int64
	}

	ctx    context.Context // ends when Close begins
	cancel context.CancelFunc
	wg     sync.WaitGroup // of Forward

	mu struct {
		sync.Mutex
		closed bool
		open   map[io.Closer]struct{}
	}
}

// New returns a network that ends with the test, and logs its seed and what it
// has done.
func New(tb testing.TB, o Options) *Network {
	tb.Helper()
	o = o.EnsureDefaults()
	for o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	n := &Network{o: o}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.mu.open = make(map[io.Closer]struct{})
	tb.Logf("network of seed %d: %+v", o.Seed, o)
	tb.Cleanup(func() {
		if err := n.Close(); err != nil {
			tb.Error(err)
		}
		tb.Logf("network of seed %d: %+v", o.Seed, n.Counts())
	})
	return n
}

// Counts returns what the network has done until now.
func (n *Network) Counts() Counts {
	c := &n.counts
	return Counts{
		Conns: c.conns.Load(), Fragments: c.fragments.Load(), Delays: c.delays.Load(), Stalls: c.stalls.Load(),
		Responses: c.responses.Load(), Duplicates: c.duplicates.Load(), Drops: c.drops.Load(), Late: c.late.Load(),
		Truncations: c.truncations.Load(),
	}
}

// Dial opens a connection through the network. It may serve as
// origin.Options.Dial.
func (n *Network) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return n.dial(ctx, network, addr)
}

func (n *Network) dial(ctx context.Context, network, addr string) (*conn, error) {
	raw, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c := newConn(n, raw.(*net.TCPConn), n.number.Add(1)-1)
	if !n.register(c) {
		_ = raw.Close()
		return nil, fmt.Errorf("dial %s: %w", addr, net.ErrClosed)
	}
	n.counts.conns.Add(1)
	return c, nil
}

// Forward listens on an address of its own, which it returns, and forwards each
// connection through the network to addr.
func (n *Network) Forward(addr string) (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	if !n.register(ln) {
		return "", errors.Join(net.ErrClosed, ln.Close())
	}
	n.wg.Go(func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return // closed; nothing else happens to a test's few
			}
			if !n.register(near) {
				_ = near.Close()
				return
			}
			n.wg.Go(func() { n.forward(near.(*net.TCPConn), addr) })
		}
	})
	return ln.Addr().String(), nil
}

// forward copies between near, the client's connection, and a new one to addr.
func (n *Network) forward(near *net.TCPConn, addr string) {
	defer n.close(near)
	far, err := n.dial(n.ctx, "tcp", addr)
	if err != nil {
		return
	}
	defer n.close(far)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		_, err := io.Copy(writerOnly{far}, near)
		if err == nil {
			err = far.CloseWrite()
		}
		if err != nil {
			_ = far.Close()
		}
	})
	_, err = io.Copy(near, readerOnly{far})
	if errors.Is(err, errReset) {
		_ = near.SetLinger(0)
	}
	if err != nil || near.CloseWrite() != nil || far.isCut() {
		n.close(near)
		_ = far.Close()
	}
}

// readerOnly and writerOnly hide what io.Copy would find beside Read and Write.
type (
	readerOnly struct{ io.Reader }
	writerOnly struct{ io.Writer }
)

// register has Close close c, unless it has begun.
func (n *Network) register(c io.Closer) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.closed {
		return false
	}
	n.mu.open[c] = struct{}{}
	return true
}

// close closes what was registered.
func (n *Network) close(c io.Closer) {
	n.forget(c)
	_ = c.Close()
}

func (n *Network) forget(c io.Closer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.mu.open, c)
}

// Close closes every connection and waits for the network's goroutines.
func (n *Network) Close() error {
	n.mu.Lock()
	n.mu.closed = true
	open := n.mu.open
	n.mu.open = nil
	n.mu.Unlock()
	n.cancel()
	for c := range open {
		_ = c.Close()
	}
	n.wg.Wait()
	return nil
}
