package monitor

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

const (
	// maxClients bounds the connections that are served at the same time: see places. Each
	// holds some tens of KB, and more while it is answered. It is more than there are streams
	// of events.
	maxClients = 64
	// maxHeader bounds the head of a request, in bytes.
	maxHeader = 16 << 10
	// requestPatience is how long a client may take for a request, answerPatience for
	// reading what it is answered, and idlePatience for its next request. A handler of which
	// the answer goes on and on, as of events, sets its own deadlines (http.ResponseController).
	requestPatience, answerPatience, idlePatience = 5 * time.Second, 10 * time.Second, time.Minute
)

// ErrListen says that the address cannot be listened on.
var ErrListen = errors.New("cannot listen")

// Options say what a Server answers.
type Options struct {
	// Address is host:port, as Address returns it; port 0 is one that is free.
	Address string
	// Names are by what the server may be asked for beside its addresses, "localhost" and
	// the machine's own name.
	Names []string
	// Metrics answers /metrics.
	Metrics http.Handler
	// Healthy and Ready return why the process does not work, or not yet; nil: it does.
	Healthy, Ready func() error
	// Log takes what goes wrong with single requests, at level debug.
	Log zerolog.Logger
}

// Server listens. It must be closed.
type Server struct {
	listener net.Listener
	places   *places
	server   *http.Server
	mux      *http.ServeMux
	wg       sync.WaitGroup
	err      error
}

// Listen listens, and answers at once. An address that cannot be had is ErrListen.
func Listen(o Options) (*Server, error) {
	if err := CheckNames(o.Names); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", o.Address)
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok {
			err = op.Err // which address it is stands before it
		}
		return nil, fmt.Errorf("%w on %s: %w", ErrListen, o.Address, err)
	}
	s := &Server{listener: l, places: newPlaces(l), mux: http.NewServeMux()}
	s.mux.Handle("GET /metrics", o.Metrics)
	s.mux.Handle("GET /healthz", probe(o.Healthy))
	s.mux.Handle("GET /readyz", probe(o.Ready))
	s.server = &http.Server{
		Handler: guarded(newNames(o.Address, o.Names), s.mux), MaxHeaderBytes: maxHeader,
		ReadTimeout: requestPatience, WriteTimeout: answerPatience, IdleTimeout: idlePatience,
		ErrorLog: log.New(debugLog{o.Log}, "", 0),
	}
	s.server.ConnState = s.places.state
	s.wg.Go(func() {
		if err := s.server.Serve(s.places); !errors.Is(err, http.ErrServerClosed) {
			s.err = err
		}
	})
	return s, nil
}

// Handle adds what answers a pattern of http.ServeMux, also while requests are being
// served.
func (s *Server) Handle(pattern string, h http.Handler) { s.mux.Handle(pattern, h) }

// URL is where the server is, without a slash at its end.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Close ends the server at once, and waits for it; not for handlers, of which the
// connections are closed.
func (s *Server) Close() error {
	err := s.server.Close()
	s.wg.Wait()
	return errors.Join(err, s.err)
}

// guarded lets requests through that are for this server, and only read.
func guarded(n names, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		if err := n.check(r.Host); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "this server is read only", http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// probe answers whether all is well.
func probe(check func() error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := check(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "ok\n")
	})
}

// debugLog takes what net/http prints, mostly of clients that went away.
type debugLog struct{ log zerolog.Logger }

func (l debugLog) Write(p []byte) (int, error) {
	l.log.Debug().Str("from", "net/http").Msg(string(p))
	return len(p), nil
}
