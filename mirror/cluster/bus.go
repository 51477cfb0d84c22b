package cluster

import (
	"context"
	"errors"
	"time"
)

// ErrBusClosed says that a bus was closed, or that it refused this process for good.
var ErrBusClosed = errors.New("the bus is closed")

// Bus ties the machines of a cluster together. What it says is a hint: an item may be lost, come
// twice or late, and of two who hold the lease one does not know yet that it has lost it.
// Its methods may be called from any goroutine. While the bus is away they wait, for as
// long as ctx lasts.
type Bus interface {
	// Offer offers segments to whoever pulls. One that was offered lately may be left out.
	Offer(ctx context.Context, seqs []uint64) error
	// Pull returns an item as soon as there is one, to be ended by one of its methods.
	Pull(ctx context.Context) (Item, error)
	// Lease returns who may list.
	Lease() Lease
	// Report tells the others what this process does; it is called each second or two. An empty
	// report says goodbye: the others do not have it among Reports any more.
	Report(ctx context.Context, report []byte) error
	// Reports returns what the others have reported lately, by their ids.
	Reports(ctx context.Context) (map[string][]byte, error)
	// Close leaves the cluster.
	Close() error
}

// Item is a segment that is to be fetched. It is given to another who pulls where none of
// Working, Done and Back is called for ItemTimeout.
type Item interface {
	Seq() uint64
	// Tries is how often it was given out, 1 at first, as far as that is known.
	Tries() int
	// Working says that it is being worked at.
	Working(ctx context.Context) error
	// Done says that its commit stands.
	Done(ctx context.Context) error
	// Back gives it to another, after a while.
	Back(ctx context.Context, after time.Duration) error
}

// ItemTimeout is how long an item is kept for a worker that says nothing.
const ItemTimeout = 30 * time.Second

// Lease is held by one process at a time, as far as that can be known. Nobody's clock is
// compared with another's: who wants the lease takes it where it has not changed for LeaseTimeout
// by its own clock.
type Lease interface {
	// Acquire waits until the lease is this process's, and returns its epoch, which is higher than
	// that of every holder before, and a context that ends once it may be lost.
	Acquire(ctx context.Context) (held context.Context, epoch uint64, err error)
	// Release gives the lease up, so that another need not wait.
	Release(ctx context.Context) error
}

// LeaseTimeout is after how long of silence a lease may be taken.
const LeaseTimeout = 10 * time.Second
