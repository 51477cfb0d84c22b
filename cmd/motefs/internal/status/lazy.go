package status

import (
	"context"
	"sync"
	"time"
)

const (
	// lazyPart is which part of the time at most is spent on finding out one value.
	lazyPart = 100
	// lazyLeast is how long a value is good for at least.
	lazyLeast = 5 * time.Second
	// lazyPatience is how long who asks first waits for it.
	lazyPatience = 200 * time.Millisecond
)

// lazy is a value that has to be searched for. It is found in the background, when somebody
// asks and the last one is old.
type lazy[T any] struct {
	find func(ctx context.Context) (T, error)

	ctx context.Context
	wg  *sync.WaitGroup
	mu  struct {
		sync.Mutex
		closed  bool
		known   *T
		finding chan struct{} // closed at its end; nil: nobody searches
		due     time.Time
	}
}

// get returns what was found last, nil where that is nothing. The first time it waits a
// moment.
func (l *lazy[T]) get(now time.Time) *T {
	ctx, cancel := context.WithTimeout(context.Background(), lazyPatience)
	defer cancel()
	return l.wait(ctx, now)
}

// wait is get that waits the first time until ctx ends.
func (l *lazy[T]) wait(ctx context.Context, now time.Time) *T {
	l.mu.Lock()
	if !l.mu.closed && l.mu.finding == nil && !now.Before(l.mu.due) {
		l.mu.finding = make(chan struct{})
		l.wg.Go(func() { l.search() })
	}
	known, finding := l.mu.known, l.mu.finding
	l.mu.Unlock()
	if known != nil || finding == nil {
		return known
	}
	select {
	case <-finding:
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.known
}

func (l *lazy[T]) search() {
	start := time.Now()
	found, err := l.find(l.ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil { // else it is not known, as before
		l.mu.known = &found
	}
	l.mu.due = time.Now().Add(max(lazyLeast, lazyPart*time.Since(start)))
	close(l.mu.finding)
	l.mu.finding = nil
}

// close has nothing more be begun.
func (l *lazy[T]) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.closed = true
}
