package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/motefs/motefs/fs"
)

// errCtrlC is the cause of a context that SIGINT has ended: somebody is there who can be
// told what is in the way. The other signals come from a system that is not going to wait.
var errCtrlC = fmt.Errorf("%w by Ctrl-C", context.Canceled)

// untilSignal returns a context that ends with the first signal that asks the
// process to end, and a channel with one word for each further one, up to the third; then
// they do what they do by default. SIGHUP, of a terminal that closes, is one of them
// unless it is ignored, as under nohup.
func untilSignal() (ctx context.Context, again <-chan struct{}) {
	asks := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		asks = append(asks, syscall.SIGHUP)
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, asks...)
	ctx, cancel := context.WithCancelCause(context.Background())
	further := make(chan struct{}, 2)
	go func() {
		cause := context.Canceled
		if <-signals == os.Interrupt {
			cause = errCtrlC
		}
		cancel(cause)
		<-signals
		further <- struct{}{}
		<-signals
		signal.Stop(signals)
		further <- struct{}{}
	}()
	return ctx, further
}

// unmountPause is how long a mount that is in use is left alone before it is tried to be
// unmounted again.
const unmountPause = 200 * time.Millisecond

// leave unmounts once no program uses the mount, or a further signal insists.
func (m *mounted) leave() {
	insist := m.app.patient(true)
	defer m.app.patient(false)
	for told := false; ; {
		err := m.mount.TryUnmount()
		if !errors.Is(err, fs.ErrBusy) {
			return // another error comes again in Close
		}
		if !told {
			m.log.Warn().Msgf("%s is in use by %s; it is unmounted when they have left it. Press Ctrl-C again to unmount it all the same, and they get errors", m.mount.Dir(), m.mount.Users())
			told = true
		}
		select {
		case <-insist:
			return
		case <-m.mount.Done():
			return
		case <-time.After(unmountPause):
		}
	}
}

// patient says whether a mount waits for those who use it. The channel is closed when it
// shall not wait any longer.
func (a *app) patient(waits bool) <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.insist = nil
	if waits {
		a.mu.insist = make(chan struct{})
	}
	return a.mu.insist
}

// insist ends the patience of a mount, if it is waiting.
func (a *app) insist() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.insist == nil {
		return false
	}
	close(a.mu.insist)
	a.mu.insist = nil
	return true
}

// outliveOutput has a write to a standard output or error that nobody reads any
// more fail. By default it ends the process (see os/signal, "SIGPIPE"), and with it
// a mount. Unlike signal.Ignore this leaves programs that are started as they are.
func outliveOutput() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// openMount is fs.Open of a mount that abandon takes away.
func (a *app) openMount(ctx context.Context, o fs.Options) (_ *fs.Mount, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.abandoned {
		return nil, context.Canceled
	}
	a.mu.mount, err = fs.Open(ctx, o)
	return a.mu.mount, err
}

// abandon leaves no mount behind in a process that is about to end, whatever it is
// doing. The store is then as after a crash.
func (a *app) abandon() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.abandoned = true
	err := context.Canceled
	if a.mu.mount != nil {
		if unmount := a.mu.mount.Unmount(); !errors.Is(unmount, fs.ErrBusy) { // who uses it is cut off
			err = errors.Join(err, unmount)
		}
	}
	return err
}
