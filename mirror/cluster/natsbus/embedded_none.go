//go:build noserver

package natsbus

import (
	"errors"

	"github.com/nats-io/nats.go"
)

// errNoServer says how this program was built.
var errNoServer = errors.New("this motefs was built without a NATS server: name one with --cluster nats://HOST:PORT")

// Server is a NATS server in this process, of which this build has none.
type Server struct{}

// Embedded returns an error.
func Embedded(EmbeddedOptions) (*Server, error) { return nil, errNoServer }

// URL is empty.
func (s *Server) URL() string { return "" }

// Close has nothing to stop.
func (s *Server) Close() error { return nil }

func (s *Server) inProcess() nats.Option {
	return func(*nats.Options) error { return errNoServer }
}
