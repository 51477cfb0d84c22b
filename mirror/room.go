package mirror

import (
	"context"
	"time"

	"github.com/motefs/motefs/cache"
)

// roomPause is how long a Run waits before it looks again whether the store has room.
const roomPause = time.Second

// room waits until the store has room: it says so itself, or after err, with which it
// has refused a write, once that may be tried anew. Its error is ctx's, or err where
// room would not help.
func (r *run) room(ctx context.Context, err error) error {
	for {
		if err == nil {
			err = r.e.store.Room()
		}
		if !cache.NoRoom(err) {
			return asStore(err)
		}
		if err := sleep(ctx, roomPause); err != nil {
			return err
		}
		err = nil
	}
}

// watchRoom ends a Run once the store has had no room for limit, in ticks as watch has
// them. It may be that every worker hangs in a commit by then, so the store is told to
// let go of them.
func (e *Engine) watchRoom(ctx context.Context, limit time.Duration, end context.CancelCauseFunc) {
	tick := time.NewTicker(roomPause)
	defer tick.Stop()
	for full := time.Duration(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		full += roomPause
		err := e.store.Room()
		switch {
		case err == nil:
			full = 0
		case full > limit:
			end(storeError{err})
			e.store.GiveUp()
			return
		}
	}
}
