package mirror

import (
	"sync"
	"time"
)

// livedSteps is in how many steps afterLived waits.
const livedSteps = 16

// afterLived is time.AfterFunc for the time that this process has lived: while it
// was stopped (SIGSTOP), or its machine slept, nothing could come, and that counts for
// one of livedSteps at most. No jump of the wall clock counts. stop reports nothing;
// f may be under way when it returns.
func afterLived(d time.Duration, f func()) (stop func()) {
	var mu sync.Mutex
	var timer *time.Timer
	left, step := livedSteps, d/livedSteps
	next := func() {
		mu.Lock()
		left--
		due := left == 0
		if left > 0 {
			timer.Reset(step)
		}
		mu.Unlock()
		if due {
			f()
		}
	}
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(step, next)
	return func() {
		mu.Lock()
		defer mu.Unlock()
		left = 0
		timer.Stop()
	}
}
