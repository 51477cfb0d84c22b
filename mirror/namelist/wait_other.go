//go:build !unix

package namelist

import "os"

// waiter does nothing here: a read that waits cannot be stopped.
type waiter struct{}

func newWaiter(*os.File) (*waiter, error) { return &waiter{}, nil }
func (*waiter) wait() error               { return nil }
func (*waiter) stop()                     {}

// Close does nothing.
func (*waiter) Close() {}
