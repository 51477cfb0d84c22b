package mirror

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// budget bounds what is held at a time, in bytes. What is longer than all of it
// takes all of it, and so stands alone.
type budget struct {
	sem  *semaphore.Weighted
	size int64
}

func newBudget(size int64) *budget {
	return &budget{sem: semaphore.NewWeighted(size), size: size}
}

// acquire waits until there is room for n bytes. release, which is to be called
// once, gives them back.
func (b *budget) acquire(ctx context.Context, n int) (release func(), err error) {
	weight := min(int64(max(n, 1)), b.size)
	if err := b.sem.Acquire(ctx, weight); err != nil {
		return nil, context.Cause(ctx)
	}
	return func() { b.sem.Release(weight) }, nil
}
