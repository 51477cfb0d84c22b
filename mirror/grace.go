package mirror

import (
	"context"
	"time"
)

// afterGrace calls stop with ctx's error once ctx has been done for that long,
// unless the function that it returns is called first.
func afterGrace(ctx context.Context, grace time.Duration, stop context.CancelCauseFunc) (release func()) {
	var timer *time.Timer
	started := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		timer = time.AfterFunc(max(grace, 0), func() { stop(context.Cause(ctx)) })
		close(started)
	})
	return func() {
		if cancel() {
			return
		}
		<-started
		timer.Stop()
	}
}
