//go:build !noserver

package natsbus

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/motefs/motefs/mirror/filelock"
)

const (
	// readyTimeout is how long a server may take to start.
	readyTimeout = 20 * time.Second
	// serverMemory and serverStore bound what its JetStream keeps, in bytes.
	serverMemory, serverStore = 64 << 20, 4 << 30
)

// lockName is the file in a server's directory that is locked for as long as it runs.
const lockName = "LOCK"

// Server is a NATS server in this process.
type Server struct {
	server *server.Server
	lock   io.Closer // of its directory
	o      EmbeddedOptions
	close  func() error
}

// Embedded starts a server with JetStream in this process. It syncs each message before it
// says that it has it: a few hundred microseconds for a segment of many thousand files.
func Embedded(o EmbeddedOptions) (_ *Server, err error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("embedded NATS: %w", err)
	}
	locked, err := filelock.Lock(filepath.Join(o.Dir, lockName), true)
	if err != nil {
		return nil, fmt.Errorf("embedded NATS: directory %s: %w", o.Dir, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, locked.Close())
		}
	}()
	opts := &server.Options{
		ServerName: "motefs", StoreDir: o.Dir, JetStream: true, SyncAlways: true,
		JetStreamMaxMemory: serverMemory, JetStreamMaxStore: serverStore,
		DontListen: true, NoSigs: true, DisableJetStreamBanner: true,
		Username: o.User, Password: o.Password,
	}
	if o.Listen != "" {
		if opts.Host, opts.Port, err = splitListen(o.Listen); err != nil {
			return nil, fmt.Errorf("embedded NATS: %w", err)
		}
		opts.DontListen = false
		if opts.Port == 0 {
			opts.Port = server.RANDOM_PORT
		}
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("embedded NATS: %w", err)
	}
	log := &serverLog{log: o.Log}
	s.SetLoggerV2(log, false, false, false)
	s.Start()
	e := &Server{server: s, lock: locked, o: o}
	e.close = sync.OnceValue(e.stop)
	if !ready(s, log) {
		s.Shutdown()
		s.WaitForShutdown()
		why := log.fatal()
		if _, text, ok := strings.Cut(why, "Error listening on port: "); ok {
			return nil, fmt.Errorf("embedded NATS: %w: %s", ErrListen, text)
		}
		return nil, fmt.Errorf("embedded NATS does not start: %s", why)
	}
	return e, nil
}

// ready waits until a server works, and reports whether it does.
func ready(s *server.Server, log *serverLog) bool {
	for end := time.Now().Add(readyTimeout); time.Now().Before(end) && log.fatal() == ""; {
		if s.ReadyForConnections(readyTimeout / 200) {
			return s.JetStreamEnabled() && log.fatal() == ""
		}
	}
	return false
}

// URL is where others reach the server, without what they need to be let in. It is empty
// where the server listens nowhere.
func (s *Server) URL() string {
	if s.o.Listen == "" {
		return ""
	}
	return "nats://" + s.server.Addr().String()
}

// Close stops the server and waits until it has stopped.
func (s *Server) Close() error { return s.close() }

func (s *Server) stop() error {
	s.server.Shutdown()
	s.server.WaitForShutdown()
	return s.lock.Close()
}

// inProcess has a client in this process connect without a socket.
func (s *Server) inProcess() nats.Option {
	return func(o *nats.Options) error {
		o.InProcessServer, o.User, o.Password = s.server, s.o.User, s.o.Password
		return nil
	}
}
