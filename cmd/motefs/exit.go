package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/motefs/internal/status"
	"github.com/motefs/motefs/fs"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/store"
	"github.com/motefs/motefs/mirror/segments"
)

// The exit statuses are a contract; README.md lists them.
const (
	exitOK          = 0
	exitError       = 1   // anything that has no status of its own
	exitUsage       = 2   // a bad command, flag, URL or header
	exitMountpoint  = 3   // the mountpoint cannot be used, or FUSE is missing
	exitStore       = 4   // the store is in use, another origin's, or no store
	exitOrigin      = 5   // the origin, or an object store, cannot be reached or listed
	exitFailed      = 6   // files could not be fetched
	exitDamaged     = 7   // the store is damaged
	exitNewer       = 8   // the store was made by a later motefs
	exitDisk        = 9   // the store's disk is full, or can only be read
	exitInterrupted = 130 // SIGINT, SIGTERM or SIGHUP, as shells say it
)

// usageError is a mistake in the command itself.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// helpError is a mistake in the command whose help tells what is right.
type helpError struct {
	error
	command string // as in motefs mount
}

func (e helpError) Unwrap() error { return e.error }

var (
	// errFailedFiles: the mirror is complete but for files that failed.
	errFailedFiles = errors.New("some files could not be fetched")
	// errProblems: verify found some.
	errProblems = errors.New("the store is not sound")
	// errOrigin marks whatever went wrong with the listing.
	errOrigin = errors.New("origin")
)

// storeError is a store of another origin.
type storeError struct{ text string }

func (e *storeError) Error() string { return e.text }
func (e *storeError) Unwrap() error { return cache.ErrOrigin }

// exitStatus is the one place where errors become statuses.
func exitStatus(err error) int {
	_, usage := errors.AsType[usageError](err)
	if !usage && cache.NoRoom(err) { // a flag may name a file on another disk
		return exitDisk
	}
	for _, c := range []struct {
		target error
		status int
	}{
		{errProblems, exitDamaged},
		{context.Canceled, exitInterrupted},
		{errFailedFiles, exitFailed},
		{fs.ErrMountpoint, exitMountpoint},
		{fs.ErrNoFUSE, exitMountpoint},
		{cache.ErrInUse, exitStore},
		{status.ErrSocket, exitStore},
		{status.ErrNotRunning, exitStore},
		{cache.ErrOrigin, exitStore},
		{segments.ErrOtherOrigin, exitStore},
		{segments.ErrNone, exitStore},
		{cache.ErrNewer, exitNewer}, // before ErrFormat, which it is too
		{cache.ErrFormat, exitStore},
		{cache.ErrCorrupt, exitDamaged},
		{mirror.ErrListing, exitOrigin},
		{mirror.ErrRedirect, exitOrigin},
		{mirror.ErrUnreachable, exitOrigin},
		{mirror.ErrOutage, exitOrigin},
		{mirror.ErrManyGone, exitFailed},
		{mirror.ErrManyUnlisted, exitFailed},
		{errOrigin, exitOrigin},
	} {
		if errors.Is(err, c.target) {
			return c.status
		}
	}
	if usage {
		return exitUsage
	}
	_, opening := errors.AsType[*store.Error](err)
	if _, ok := errors.AsType[*objects.OpError](err); ok || opening {
		return exitOrigin
	}
	// What becomes of single files is in the store; this is the listing's.
	if _, ok := errors.AsType[*mirror.StatusError](err); ok || mirror.Temporary(err) {
		return exitOrigin
	}
	return exitError
}

// onlyCancelled reports whether nothing else went wrong than that ctx ended.
func onlyCancelled(err error) bool {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return !slices.ContainsFunc(joined.Unwrap(), func(err error) bool { return !onlyCancelled(err) })
	}
	return errors.Is(err, context.Canceled)
}

// report prints err, on one line, and returns the exit status for it.
func report(w io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	status := exitStatus(err)
	switch {
	case status == exitInterrupted && onlyCancelled(err):
		fmt.Fprintln(w, "motefs: interrupted")
	case status == exitUsage:
		command := "motefs"
		if help, ok := errors.AsType[helpError](err); ok {
			command = help.command
		}
		fmt.Fprintf(w, "motefs: %s (see %s --help)\n", oneLine(err.Error()), command)
	default:
		fmt.Fprintf(w, "motefs: %s\n", oneLine(err.Error()))
	}
	return status
}
