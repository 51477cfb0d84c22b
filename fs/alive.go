//go:build linux

package fs

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// errNoAnswer is a mount that does not answer.
var errNoAnswer = errors.New("the mount does not answer")

// Alive reports, for a watchdog, why the mount does not answer within ctx. It has the
// kernel ask for the root's attributes, as it would for a program: a request comes
// out of the kernel, is read, handled and answered. Once the mount has ended or is out of
// the tree there is nothing to answer, and the error is nil.
//
// No process that serves a mount should look into it (golang/go#21014): what waits
// there must hold nothing that the server needs. This one call holds nothing: it opens no
// file, of which Go's runtime would tell epoll, and a goroutine in a system call is in
// nobody's way. It springs no automounter's trap either, should the mount have
// gone a moment ago.
func (m *Mount) Alive(ctx context.Context) error {
	if !m.asked.TryLock() {
		return fmt.Errorf("%w: it has not answered the last time either", errNoAnswer)
	}
	answer := make(chan error, 1)
	go func() { // one at a time: see asked
		err := m.ask()
		m.asked.Unlock() // before who waits may ask again
		answer <- err
	}()
	select {
	case err := <-answer:
		return err
	case <-m.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errNoAnswer, context.Cause(ctx))
	}
}

// ask waits for as long as there is no answer.
func (m *Mount) ask() error {
	if !m.mounted() {
		return nil
	}
	var attr unix.Statx_t
	const flags = unix.AT_STATX_FORCE_SYNC | unix.AT_NO_AUTOMOUNT | unix.AT_SYMLINK_NOFOLLOW
	err := unix.Statx(unix.AT_FDCWD, m.dir, flags, unix.STATX_BASIC_STATS, &attr)
	switch {
	case err == nil, errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.EACCES), !m.mounted():
		return nil // it has answered, or something is mounted over it, which is none of its faults
	}
	return fmt.Errorf("%w: %w", errNoAnswer, err)
}
