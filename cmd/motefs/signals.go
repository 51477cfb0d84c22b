package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/motefs/motefs/fs"
)

// untilSignal returns a context that ends with the first signal that asks the
// process to end, and a channel that is closed with the second. A third does what
// it does by default. SIGHUP, of a terminal that closes, is one of them unless it is
// ignored, as under nohup.
func untilSignal() (ctx context.Context, again <-chan struct{}) {
	asks := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		asks = append(asks, syscall.SIGHUP)
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, asks...)
	ctx, cancel := context.WithCancel(context.Background())
	twice := make(chan struct{})
	go func() {
		<-signals
		cancel()
		<-signals
		signal.Stop(signals)
		close(twice)
	}()
	return ctx, twice
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
