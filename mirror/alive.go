package mirror

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// errStuck is an engine that holds a lock for good.
var errStuck = errors.New("the engine does not answer")

// Alive reports, for a watchdog, why the engine does not answer within ctx. An engine that
// waits, for an origin that is out of service or for room on the disk, is alive: what
// it must not do is hold a lock meanwhile, which all its goroutines need sooner or
// later.
func (e *Engine) Alive(ctx context.Context) error {
	if !e.asked.TryLock() {
		return fmt.Errorf("%w: it has not answered the last time either", errStuck)
	}
	answer := make(chan struct{})
	go func() { // one at a time: see asked
		defer close(answer)
		defer e.asked.Unlock()
		for _, lock := range e.locks() {
			lock.Lock()
			lock.Unlock() //nolint:staticcheck // to have had it is all
		}
	}()
	select {
	case <-answer:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errStuck, context.Cause(ctx))
	}
}

// locks are those of the engine that live as long as it does.
func (e *Engine) locks() []sync.Locker {
	return []sync.Locker{&e.mu, &e.health.mu, &e.pace.mu, &e.ahead.mu, &e.arrivals.mu}
}
