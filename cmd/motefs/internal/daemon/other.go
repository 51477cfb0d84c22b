//go:build !linux

package daemon

import (
	"context"
	"errors"
	"os"
	"time"
)

// DefaultWait is as elsewhere.
const DefaultWait = time.Minute

// Options are as elsewhere.
type Options struct {
	Output *os.File
	Wait   time.Duration
}

// Failure is a daemon that does not serve.
type Failure struct {
	Line   string
	Status int
}

// Error is the daemon's line.
func (f *Failure) Error() string { return f.Line }

// Start fails: there is no mount to serve.
func Start(context.Context, Options) (string, error) {
	return "", errors.New("there are no daemons on this system: motefs mounts on Linux only")
}

// Child is the daemon's end; there is none.
type Child struct{}

// Inherited is nil.
func Inherited() *Child { return nil }

// Doing does nothing.
func (*Child) Doing(string) {}

// Ready does nothing.
func (*Child) Ready(string) error { return nil }

// Failed does nothing.
func (*Child) Failed(string, int) {}
