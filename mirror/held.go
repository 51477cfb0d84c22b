package mirror

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// held is what one page of the listing takes of the budget in bytes. Several
// batches can be cut from a page; the last that lets go gives the bytes back.
type held struct {
	budget *semaphore.Weighted
	n      int64
	refs   atomic.Int32
}

// hold waits until there is room for a page of size bytes.
func hold(ctx context.Context, budget *semaphore.Weighted, size int) (*held, error) {
	h := &held{budget: budget, n: min(int64(max(size, 1)), listBudget)}
	if err := budget.Acquire(ctx, h.n); err != nil {
		return nil, context.Cause(ctx)
	}
	h.refs.Store(1)
	return h, nil
}

func (h *held) take() { h.refs.Add(1) }

func (h *held) drop() {
	if h.refs.Add(-1) == 0 {
		h.budget.Release(h.n)
	}
}
