package mirror

import (
	"context"
	"errors"
	"testing"
)

// TestAlive has each lock of an engine be held in turn: it is found out, and not waited for
// twice; once it is free, the engine is alive again.
func TestAlive(t *testing.T) {
	e := &Engine{pace: newPace(0, 0), health: newHealth()}
	if err := e.Alive(t.Context()); err != nil {
		t.Errorf("an engine with nothing to do: %v", err)
	}
	for i, lock := range e.locks() {
		lock.Lock()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 2 {
			if err := e.Alive(ctx); !errors.Is(err, errStuck) {
				t.Errorf("lock %d is held: %v", i, err)
			}
		}
		lock.Unlock()
		e.asked.Lock()   // the question of before has its answer
		e.asked.Unlock() //nolint:staticcheck // to have had it is all
		if err := e.Alive(t.Context()); err != nil {
			t.Errorf("lock %d is free: %v", i, err)
		}
	}
}
