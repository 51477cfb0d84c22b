//go:build !unix

package screen

import "os"

// Signal is what says that the window got another size.
type Signal = os.Signal

// Resized returns nothing: this system does not say it.
func Resized() (resized <-chan Signal, stop func()) { return nil, func() {} }
