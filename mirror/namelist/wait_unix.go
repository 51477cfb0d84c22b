//go:build unix

package namelist

import (
	"context"
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// waiter waits for bytes of what may have none for a while, and can be stopped.
type waiter struct {
	fds  []unix.PollFd // of the list, and of wake
	wake [2]*os.File
	once sync.Once
}

func newWaiter(f *os.File) (*waiter, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	return &waiter{wake: [2]*os.File{r, w}, fds: []unix.PollFd{
		{Fd: int32(f.Fd()), Events: unix.POLLIN}, {Fd: int32(r.Fd()), Events: unix.POLLIN}}}, nil
}

// wait returns when there is something to read, be it the end. After stop its error is
// context.Canceled.
func (w *waiter) wait() error {
	for {
		_, err := unix.Poll(w.fds, -1)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return os.NewSyscallError("poll", err)
		case w.fds[1].Revents != 0:
			return context.Canceled
		case w.fds[0].Revents != 0:
			return nil
		}
	}
}

// stop ends a wait, and all later ones.
func (w *waiter) stop() { w.once.Do(func() { w.wake[1].Close() }) }

// Close may be called once nobody waits any more.
func (w *waiter) Close() {
	w.stop()
	w.wake[0].Close()
}
