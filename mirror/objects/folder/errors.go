package folder

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"syscall"

	"github.com/motefs/motefs/mirror/objects"
)

// mayPass are the errors of a system that somebody else may end: room is made, a server comes
// back.
var mayPass = []error{
	syscall.EAGAIN, syscall.EBUSY, syscall.EDQUOT, syscall.EINTR, syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM,
	syscall.ENOSPC, syscall.ENOTCONN, syscall.ESTALE, syscall.ETIMEDOUT, syscall.EHOSTDOWN, syscall.EHOSTUNREACH,
}

// explain is an error in the words of package objects. Names that are taken are Create's.
func (s *Store) explain(op, name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
	case errors.Is(err, iofs.ErrClosed):
		return fmt.Errorf("%s %q: %w", op, name, objects.ErrClosed)
	case missing(err) && (op == "get" || op == "read"):
		return fmt.Errorf("%s %q: %w", op, name, objects.ErrNotFound)
	}
	for _, e := range mayPass {
		if errors.Is(err, e) {
			err = fmt.Errorf("%w: %w", objects.ErrAway, err)
			break
		}
	}
	return &objects.OpError{Op: op, Name: name, Dir: s.dir, Err: err}
}
