package status

import "errors"

// SocketName is the socket's name in a store's directory.
const SocketName = "status.sock"

var (
	// ErrNotRunning says that no process serves the store's status.
	ErrNotRunning = errors.New("no running motefs")
	// ErrSocket says that what has the socket's name cannot be trusted, or is none.
	ErrSocket = errors.New("not a status socket")
)
