//go:build !linux

package fs

import (
	"context"
	"fmt"
	"runtime"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/histogram"
)

// Mounting knows Linux's kernel too well to be elsewhere: what it caches, how it lets go,
// what an aborted connection does. All else works there.
var errNotLinux = fmt.Errorf("%w on %s: motefs mounts on Linux only; mirror, verify and serve work here", ErrNoFUSE, runtime.GOOS)

type rawFileSystem = any

// Mount cannot be had on this system.
type Mount struct{}

// Open returns ErrNoFUSE.
func Open(context.Context, Options) (*Mount, error) { return nil, errNotLinux }

// CheckMountpoint returns ErrNoFUSE.
func CheckMountpoint(string, string) error { return errNotLinux }

// CheckFUSE returns ErrNoFUSE.
func CheckFUSE(string, bool) error { return errNotLinux }

// CheckEmpty returns ErrNoFUSE.
func CheckEmpty(string) error { return errNotLinux }

// Device returns ErrNoFUSE.
func Device(string) (device string, uid uint32, err error) { return "", 0, errNotLinux }

// Elsewhere returns ErrNoFUSE.
func Elsewhere(string) (dir string, err error) { return "", errNotLinux }

// Unmount returns ErrNoFUSE.
func Unmount(string) error { return errNotLinux }

// The methods of a Mount are for programs to be built; there is none to call them on.

// Wait returns ErrNoFUSE.
func (*Mount) Wait() error { return errNotLinux }

// Done is nil.
func (*Mount) Done() <-chan struct{} { return nil }

// Alive returns ErrNoFUSE.
func (*Mount) Alive(context.Context) error { return errNotLinux }

// Device is empty.
func (*Mount) Device() string { return "" }

// Dir is empty.
func (*Mount) Dir() string { return "" }

// Stats are zero.
func (*Mount) Stats() Stats { return Stats{} }

// Requests are none.
func (*Mount) Requests() []Requests { return nil }

// Misses are none.
func (*Mount) Misses() histogram.Snapshot { return histogram.Snapshot{} }

// Users are none.
func (*Mount) Users() string { return "" }

// Invalidate does nothing.
func (*Mount) Invalidate(cache.Inode, string) {}

// TryUnmount returns ErrNoFUSE.
func (*Mount) TryUnmount() error { return errNotLinux }

// Unmount returns ErrNoFUSE.
func (*Mount) Unmount() error { return errNotLinux }

// Close returns ErrNoFUSE.
func (*Mount) Close() error { return errNotLinux }
