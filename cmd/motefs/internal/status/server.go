package status

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	iofs "io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

const (
	// maxClients bounds the connections that are served at the same time; more wait in the
	// kernel. Each holds some tens of KB.
	maxClients = 32
	// maxHeader bounds a request, in bytes.
	maxHeader = 8 << 10
	// requestPatience is how long a client may take for a request, and for reading the
	// answer to one that is not a profile.
	requestPatience = 10 * time.Second
	// idlePatience is how long a connection is kept between two requests.
	idlePatience = 2 * time.Minute
)

// Server serves a Source on the socket of its store, for the store's owner:
//
//	GET /status        a Status
//	GET /failures      a FailuresPage, with ?from=INODE another one
//	GET /debug/pprof/  profiles, by their names
type Server struct {
	dir    *folder
	server *http.Server
	wg     sync.WaitGroup
	err    error
}

// Serve makes the socket in dir, whose store this process holds. It must be closed.
func Serve(dir string, source *Source) (*Server, error) {
	d, err := openFolder(dir)
	if err != nil {
		return nil, err
	}
	l, err := d.listen()
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	s := &Server{dir: d, server: &http.Server{
		Handler: Handler(source), ReadHeaderTimeout: requestPatience, IdleTimeout: idlePatience, MaxHeaderBytes: maxHeader,
	}}
	s.wg.Go(func() {
		if err := s.server.Serve(limit(l, maxClients)); !errors.Is(err, http.ErrServerClosed) {
			s.err = err
		}
	})
	return s, nil
}

// Close removes the socket and ends who is being served. It waits for the server, not for
// handlers, which end with their connections.
func (s *Server) Close() error {
	err := s.dir.remove()
	if errors.Is(err, iofs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		err = &os.PathError{Op: "remove", Path: filepath.Join(s.dir.dir, SocketName), Err: err}
	}
	err = errors.Join(err, s.server.Close())
	s.wg.Wait()
	return errors.Join(err, s.err, s.dir.Close())
}

// Handler answers what the socket is asked.
func Handler(source *Source) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /status", JSON(func() any { return source.Status() }))
	mux.HandleFunc("GET /failures", func(w http.ResponseWriter, r *http.Request) {
		from, err := strconv.ParseUint(cmp.Or(r.FormValue("from"), "0"), 10, 64)
		if err != nil {
			http.Error(w, "from: give an inode", http.StatusBadRequest)
			return
		}
		page, err := source.Failures(from)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		write(w, page)
	})
	mux.HandleFunc("GET /debug/pprof/{name}", profiles)
	mux.HandleFunc("GET /debug/pprof/cmdline", http.NotFound) // it may have a secret
	return mux
}

// JSON answers with a status.
func JSON(gather func() any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { write(w, gather()) })
}

func write(w http.ResponseWriter, object any) {
	text, err := json.Marshal(object)
	if err != nil { // a bug, if ever
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(requestPatience)) // a connection that cannot fails below
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	fmt.Fprintf(w, "%s\n", text)
}

// limited is a listener of which only so many connections are open at a time.
type limited struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	once   sync.Once
}

// limit returns a listener that has at most n connections open at a time; more wait in
// the kernel.
func limit(l net.Listener, n int) net.Listener {
	return &limited{Listener: l, places: make(chan struct{}, n), closed: make(chan struct{})}
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &limitedConn{Conn: conn, leave: sync.OnceFunc(func() { <-l.places })}, nil
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	leave func()
}

func (c *limitedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
