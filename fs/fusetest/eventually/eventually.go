// Package eventually is how tests wait for what nothing announces.
package eventually

import (
	"testing"
	"time"
)

const (
	// Deadline is when a wait fails its test: long enough for any machine, and for one
	// that runs many tests side by side.
	Deadline = 3 * time.Minute
	// pause is the time between two looks.
	pause = time.Millisecond
)

// True waits until cond holds, and fails the test at the Deadline.
func True(tb testing.TB, what string, cond func() bool) {
	tb.Helper()
	for end := time.Now().Add(Deadline); !cond(); time.Sleep(pause) {
		if time.Now().After(end) {
			tb.Fatalf("waited in vain for %s", what)
		}
	}
}
