// Package filelock has one process at a time use a directory, by a file in it that is locked.
package filelock

import "errors"

// ErrHeld says that another has the lock.
var ErrHeld = errors.New("another process uses it")
