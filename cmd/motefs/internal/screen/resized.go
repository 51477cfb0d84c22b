//go:build unix

package screen

import (
	"os"
	"os/signal"
	"syscall"
)

// Signal is what says that.
type Signal = os.Signal

// Resized returns a channel that gets something whenever the window gets another size, until
// stop is called.
func Resized() (resized <-chan Signal, stop func()) {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGWINCH)
	return ch, func() { signal.Stop(ch) }
}
