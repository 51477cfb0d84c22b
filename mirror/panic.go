package mirror

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/rs/zerolog"
)

// PanicError is a panic in one of an engine's goroutines, which is a bug. It ends
// what that goroutine was doing, and not the process: a mount would be left dead.
type PanicError struct {
	// Value is what was panicked with, and Stack where, as debug.Stack has it.
	Value any
	Stack []byte
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("panic: %v (this is a bug; the log has its stack)", e.Value)
}

// Readers may meet the same panic again and again: its stack is logged panicBurst
// times in panicPeriod.
const (
	panicBurst  = 10
	panicPeriod = 10 * time.Second
)

func panicLog(log zerolog.Logger) zerolog.Logger {
	return log.Sample(&zerolog.BurstSampler{Burst: panicBurst, Period: panicPeriod})
}

// guard calls f and makes an error of its panic. The stack is logged here, as errors
// are told in one line.
func (e *Engine) guard(f func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			p := &PanicError{Value: value, Stack: debug.Stack()}
			e.panics.Error().Interface("panic", value).Bytes("stack", p.Stack).Msg("the engine panicked: this is a bug")
			err = p
		}
	}()
	return f()
}
