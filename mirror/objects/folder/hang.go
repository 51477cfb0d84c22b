package folder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/motefs/motefs/mirror/objects"
)

const (
	// maxCalls bounds the calls into the filesystem that are under way in a store. One that hangs
	// takes a thread of the process, and nobody can end it but the filesystem.
	maxCalls = 64
	// grace is how long a call is waited for whose caller has given up: most end soon, and nothing
	// of them is left then.
	grace = 500 * time.Millisecond
	// hangsAfter is how long a call may take, and slowest how many bytes of a body are written a second at
	// least, so that who tries again hears of a filesystem that hangs.
	hangsAfter = 30 * time.Second
	slowest    = 1 << 20
	// slowAfter is after how long a call is said to wait, see Waits; for what is written there is as much
	// more as for hangsAfter.
	slowAfter = 3 * time.Second
)

// ErrHangs says that the filesystem did not answer in time: mirror.Temporary holds.
var ErrHangs = fmt.Errorf("the filesystem does not answer: %w", objects.ErrAway)

// call is a call into the filesystem. Once ctx has ended, or hangsAfter is over, and then grace, it is
// left to itself, and late gets what it returns then, nothing where it has not begun; late may be nil.
func call[T any](ctx context.Context, s *Store, fn func() (T, error), late func(T)) (T, error) {
	ctx, stop := context.WithTimeoutCause(ctx, s.hangsAfter, ErrHangs)
	defer stop()
	return inTurn(ctx, s, false, slowAfter, fn, late)
}

// inTurn is await, once there is a place among the calls. Once it is slow, that is said.
func inTurn[T any](ctx context.Context, s *Store, write bool, slow time.Duration, fn func() (T, error), late func(T)) (T, error) {
	defer s.watch(write, slow)()
	if err := s.calls.Acquire(ctx, 1); err != nil {
		var none T
		if late != nil {
			late(none)
		}
		return none, gaveUp(ctx)
	}
	return await(ctx, fn, late, func() { s.calls.Release(1) })
}

// watch says after some time that a call waits, unless what it returns was called before.
func (s *Store) watch(write bool, slow time.Duration) (ended func()) {
	var mu sync.Mutex
	since, over := time.Now(), false
	timer := time.AfterFunc(slow, func() {
		mu.Lock()
		defer mu.Unlock()
		if !over {
			s.waits(write, since, ErrHangs)
		}
	})
	return func() {
		timer.Stop()
		mu.Lock()
		defer mu.Unlock()
		over = true
	}
}

// gaveUp is the error of a call that was left to itself.
func gaveUp(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, ErrHangs) {
		return fmt.Errorf("%w: %w", cause, ErrHangs)
	}
	return ErrHangs
}

// await is call for what is in no store. over is called once nothing of it is left, late included.
func await[T any](ctx context.Context, fn func() (T, error), late func(T), over func()) (T, error) {
	type result struct {
		value T
		err   error
	}
	done, left := make(chan result), make(chan struct{})
	go func() {
		defer over()
		value, err := fn()
		select {
		case done <- result{value, err}:
		case <-left:
			if late != nil {
				late(value)
			}
		}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
	}
	select {
	case r := <-done:
		return r.value, r.err
	case <-time.After(grace):
		close(left)
		var none T
		return none, gaveUp(ctx)
	}
}

// act is call for what returns nothing else, and writes so many bytes. fn's context ends with it.
func act(ctx context.Context, s *Store, bytes int64, fn func(context.Context) error) error {
	more := time.Duration(bytes/slowest) * time.Second
	ctx, stop := context.WithTimeoutCause(ctx, s.hangsAfter+more, ErrHangs)
	defer stop()
	_, err := inTurn(ctx, s, true, slowAfter+more, func() (struct{}, error) { return struct{}{}, fn(ctx) }, nil)
	return err
}

// closeSoon closes a file that was only read, of which no error matters. Where that hangs nobody waits
// for it. It takes its turn among the calls, also then: goroutines that wait for theirs are as many
// as readers were open.
func (s *Store) closeSoon(f *os.File) {
	ctx, stop := context.WithTimeout(context.Background(), grace)
	defer stop()
	if s.calls.Acquire(ctx, 1) != nil {
		go func() {
			if s.calls.Acquire(context.Background(), 1) == nil {
				defer s.calls.Release(1)
				_ = f.Close()
			}
		}()
		return
	}
	_, _ = await(ctx, func() (struct{}, error) { return struct{}{}, f.Close() }, nil, func() { s.calls.Release(1) })
}

// OpenContext is Open that ends with ctx also where the filesystem hangs. Where wanted, the folder is
// made first.
func OpenContext(ctx context.Context, dir string, wanted bool) (*Store, error) {
	return await(ctx, func() (*Store, error) {
		if wanted {
			if err := Make(dir); err != nil {
				return nil, err
			}
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx) // nobody wants it any more
		}
		return Open(dir)
	}, func(s *Store) {
		if s != nil {
			_ = s.Close()
		}
	}, func() {})
}
