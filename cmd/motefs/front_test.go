package main

import (
	"io"
	"net"
	"sync"
	"testing"
)

// front is the network before an origin, of which nothing but bytes is known. It can
// be gone, with a word or without one.
type front struct {
	t      *testing.T
	addr   string // where it is at first
	behind string
	wg     sync.WaitGroup
	mu     struct {
		sync.Mutex
		listener net.Listener // nil while nobody listens
		silent   bool
		pairs    map[*pair]struct{}
	}
}

// pair is one connection, on both sides of the front.
type pair struct {
	ends   [2]net.Conn
	silent chan struct{} // closed once nothing more is passed on, nor its end
}

func newFront(t *testing.T, behind string) *front {
	t.Helper()
	f := &front{t: t, behind: behind}
	f.mu.pairs = map[*pair]struct{}{}
	f.listen("127.0.0.1:0")
	f.addr = f.mu.listener.Addr().String()
	t.Cleanup(func() { f.refuse(); f.wg.Wait() })
	return f
}

// listen takes connections again, at an address, and passes on what new ones say.
func (f *front) listen(addr string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.silent = false; f.mu.listener != nil {
		return
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		f.t.Errorf("the network before the origin: %v", err)
		return
	}
	f.mu.listener = listener
	f.wg.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			f.admit(near)
		}
	})
}

func (f *front) admit(near net.Conn) {
	far, err := net.Dial("tcp", f.behind)
	if err != nil {
		near.Close()
		return
	}
	p := &pair{[2]net.Conn{near, far}, make(chan struct{})}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.listener == nil {
		near.Close()
		far.Close()
		return
	}
	if f.mu.pairs[p] = struct{}{}; f.mu.silent {
		close(p.silent)
	}
	for i := range p.ends {
		f.wg.Go(func() {
			_, _ = io.Copy(passing{p.ends[1-i], p.silent}, p.ends[i])
			select {
			case <-p.silent:
			default:
				f.mu.Lock()
				defer f.mu.Unlock()
				f.cutLocked(p)
			}
		})
	}
}

// passing writes until its pair is silent.
type passing struct {
	net.Conn
	silent chan struct{}
}

func (p passing) Write(b []byte) (int, error) {
	select {
	case <-p.silent:
		return len(b), nil
	default:
		return p.Conn.Write(b)
	}
}

func (f *front) cutLocked(p *pair) {
	p.ends[0].Close()
	p.ends[1].Close()
	delete(f.mu.pairs, p)
}

// cut ends every connection.
func (f *front) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for p := range f.mu.pairs {
		f.cutLocked(p)
	}
}

// refuse ends every connection, and nobody listens any more.
func (f *front) refuse() {
	f.mu.Lock()
	if f.mu.listener != nil {
		f.mu.listener.Close()
		f.mu.listener = nil
	}
	f.mu.Unlock()
	f.cut()
}

// vanish passes nothing on from now on, on no connection, and not its end either. Those
// of before stay so for ever.
func (f *front) vanish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.silent {
		return
	}
	f.mu.silent = true
	for p := range f.mu.pairs {
		select {
		case <-p.silent:
		default:
			close(p.silent)
		}
	}
}
