package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	// connBuffer is how much of a connection's requests is read, and of its
	// answers is collected, before a system call. A batch of a thousand
	// pipelined gets fits in it either way.
	connBuffer = 64 << 10

	// acceptPause is how long to wait after an accept failed, for lack of
	// descriptors for instance.
	acceptPause = 10 * time.Millisecond
)

// Server is an origin that is being served.
type Server struct {
	o    Options
	src  Source
	ln   net.Listener
	http *fasthttp.Server
	s3   *s3Face // nil: the server's own protocol

	// done is closed when Close begins.
	done chan struct{}
	// wg counts every goroutine of the server.
	wg sync.WaitGroup

	mu struct {
		sync.Mutex
		closed   bool
		closeErr error
		conns    map[*conn]struct{}
		past     Counts // of the connections that are closed
	}
}

// Open listens and begins to serve src. The source belongs to the caller and
// must stay open until Close has returned.
func Open(o Options, src Source) (*Server, error) {
	o = o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	s := &Server{o: o, src: src, done: make(chan struct{})}
	var err error
	if o.S3 != nil {
		if s.s3, err = newS3Face(s, *o.S3, src); err != nil {
			return nil, fmt.Errorf("a source for S3: %w", err)
		}
	}
	if s.ln, err = net.Listen("tcp", o.Addr); err != nil {
		return nil, err
	}
	s.mu.conns = make(map[*conn]struct{})
	s.mu.past.Status = make(map[int]int64)
	// fasthttp's accept loop is not used, for it leaves goroutines behind that
	// end seconds later; nor its clock for Date and LazyRequestTime, which
	// never ends.
	s.http = &fasthttp.Server{
		Handler:               s.handle,
		ErrorHandler:          s.handleMalformed,
		ReadBufferSize:        connBuffer,
		WriteBufferSize:       connBuffer,
		NoDefaultServerHeader: true,
		NoDefaultDate:         true,
		NoDefaultContentType:  true,
		KeepHijackedConns:     true,
		Logger:                silent{},
	}
	s.start("accept", s.acceptLoop)
	return s, nil
}

// silent drops what fasthttp logs: a client that breaks off is no news here.
type silent struct{}

// Printf does nothing.
func (silent) Printf(string, ...any) {}

// URL is where the origin is, with its base path.
func (s *Server) URL() string {
	scheme := "http://"
	if s.o.TLS != nil {
		scheme = "https://"
	}
	return scheme + s.Addr() + s.o.BasePath
}

// Addr is the address that the server listens on.
func (s *Server) Addr() string { return s.ln.Addr().String() }

// Run waits until ctx is cancelled, then closes the server. Being cancelled is
// how a server ends, so it is not an error here.
func (s *Server) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-s.done:
	}
	return s.Close()
}

// Close stops listening, cuts every connection and waits for the server's
// goroutines. It may be called more than once, and at any time.
func (s *Server) Close() error {
	s.mu.Lock()
	if !s.mu.closed {
		s.mu.closed = true
		close(s.done)
		s.mu.closeErr = s.ln.Close()
		for c := range s.mu.conns {
			_ = c.wire.tcp.Close()
		}
	}
	err := s.mu.closeErr
	s.mu.Unlock()
	s.wg.Wait()
	return err
}

// CutConns closes every open connection at once, as a restart of the origin
// would, and goes on serving.
func (s *Server) CutConns() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.mu.conns {
		_ = c.wire.tcp.Close()
	}
}

// start runs f in a goroutine that Close waits for.
func (s *Server) start(role string, f func()) {
	labels := pprof.Labels("serve", role)
	s.wg.Go(func() {
		pprof.Do(context.Background(), labels, func(context.Context) { f() })
	})
}

// acceptLoop takes connections until the listener is closed.
func (s *Server) acceptLoop() {
	for {
		c, err := s.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			s.wait(acceptPause)
			continue
		}
		s.admit(c.(*net.TCPConn))
	}
}

// admit registers a connection and starts serving it, unless the server is
// closing.
func (s *Server) admit(tcp *net.TCPConn) {
	c := &conn{s: s, wire: &wire{tcp: tcp}}
	c.wire.counts = &c.counts
	c.Conn = c.wire
	if s.o.TLS != nil {
		c.Conn = tls.Server(c.wire, s.o.TLS)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		_ = tcp.Close()
		return
	}
	s.mu.conns[c] = struct{}{}
	s.mu.past.Conns++
	if s.s3 != nil {
		c.s3 = s.s3.newConn(s.mu.past.Conns)
	}
	if s.o.ListLatency > 0 || s.o.GetLatency > 0 {
		c.wire.in = newDelayLine(tcp)
		s.start("read", c.wire.in.run)
	}
	s.start("conn", c.serve)
}

// forget takes a connection that is closed from the register.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.conns, c)
	c.counts.addTo(&s.mu.past)
}

// wait lets d pass and reports whether the server still runs.
func (s *Server) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.done:
		return false
	}
}
