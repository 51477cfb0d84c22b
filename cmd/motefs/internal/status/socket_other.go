//go:build !unix

package status

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// folder is a store's directory. This system has no sockets that are their owner's alone.
type folder struct{ dir string }

func openFolder(dir string) (*folder, error) {
	return nil, fmt.Errorf("socket in %s: %w", dir, errors.ErrUnsupported)
}

func (*folder) Close() error                  { return nil }
func (*folder) listen() (net.Listener, error) { return nil, errors.ErrUnsupported }
func (*folder) remove() error                 { return errors.ErrUnsupported }

// Dial says that nobody listens.
func Dial(_ context.Context, dir string) (net.Conn, error) {
	return nil, fmt.Errorf("%w: nobody serves the status of %s on this system", ErrNotRunning, dir)
}
