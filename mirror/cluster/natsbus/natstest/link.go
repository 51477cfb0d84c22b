package natstest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Link forwards connections to an address, and can be cut.
type Link struct {
	Addr string // where it listens

	target string
	ln     net.Listener
	done   chan struct{} // closed by close
	wg     sync.WaitGroup
	mu     struct {
		sync.Mutex
		whole chan struct{} // closed while bytes pass
		open  map[net.Conn]struct{}
	}
}

func newLink(tb testing.TB, target string) *Link {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	l := &Link{Addr: ln.Addr().String(), target: target, ln: ln, done: make(chan struct{})}
	l.mu.open = make(map[net.Conn]struct{})
	l.mu.whole = make(chan struct{})
	close(l.mu.whole)
	l.wg.Go(l.accept)
	tb.Cleanup(l.close)
	return l
}

// Cut stops all bytes, also those of new connections, which are accepted.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.mu.whole:
		l.mu.whole = make(chan struct{})
	default: // it is cut
	}
}

// Mend has bytes pass again, with those that were held back.
func (l *Link) Mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.mu.whole:
	default:
		close(l.mu.whole)
	}
}

// pass waits while the link is cut, and reports whether it is still there.
func (l *Link) pass() bool {
	l.mu.Lock()
	whole := l.mu.whole
	l.mu.Unlock()
	select {
	case <-whole:
		return true
	case <-l.done:
		return false
	}
}

func (l *Link) accept() {
	for {
		near, err := l.ln.Accept()
		if err != nil {
			return // closed
		}
		l.wg.Go(func() { l.forward(near) })
	}
}

func (l *Link) forward(near net.Conn) {
	if !l.keep(near) {
		return
	}
	defer l.drop(near)
	if !l.pass() {
		return
	}
	far, err := net.Dial("tcp", l.target)
	if err != nil || !l.keep(far) {
		return // the server is down: the client sees its connection end
	}
	defer l.drop(far)
	var wg sync.WaitGroup
	wg.Go(func() { l.copy(far, near) })
	wg.Go(func() { l.copy(near, far) })
	wg.Wait()
}

// copy passes bytes on until either end closes, and then closes both.
func (l *Link) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if !l.pass() {
			return
		}
		if _, failed := to.Write(buf[:n]); failed != nil || err != nil {
			return
		}
	}
}

func (l *Link) keep(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.open == nil {
		_ = c.Close()
		return false
	}
	l.mu.open[c] = struct{}{}
	return true
}

func (l *Link) drop(c io.Closer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.mu.open, c.(net.Conn))
	_ = c.Close()
}

func (l *Link) close() {
	_ = l.ln.Close()
	close(l.done)
	l.mu.Lock()
	for c := range l.mu.open {
		_ = c.Close()
	}
	l.mu.open = nil
	l.mu.Unlock()
	l.wg.Wait()
}
