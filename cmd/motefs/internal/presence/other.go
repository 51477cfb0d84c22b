//go:build !linux

// Package presence tells who serves a mount, where there are mounts.
package presence

import (
	"context"
	"errors"
)

var errNotLinux = errors.New("there are no mounts on this system")

// Process serves a mount.
type Process struct{ PID int }

// Announce fails: there is no mount to serve.
func Announce(string) error { return errNotLinux }

// Find finds nobody.
func Find(string, uint32) ([]*Process, error) { return nil, nil }

// Wait returns at once.
func (*Process) Wait(context.Context) error { return nil }

// Close does nothing.
func (*Process) Close() {}
